package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rogpeppe/go-internal/testscript"
)

// address NAMES... sets each $NAME to an unused address of this machine.
func cmdAddress(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	for _, name := range args {
		host := "127.0.0.1"
		if runtime.GOOS == "linux" { // where all of 127.0.0.0/8 is loopback: no other test has this one
			host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		ts.Check(err)
		defer l.Close()
		ts.Setenv(name, l.Addr().String())
	}
}

// nats NAME USER PASSWORD [ADDRESS]
//
// Runs a NATS server with JetStream until the script ends. $NAME is its URL;
// the context NAME says how to connect.
func cmdNATS(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, Username: args[1], Password: args[2],
		JetStream: true, StoreDir: ts.MkAbs("jetstream-" + args[0]), DisableJetStreamBanner: true,
	}
	if len(args) > 3 {
		host, port, err := net.SplitHostPort(args[3])
		ts.Check(err)
		o.Host = host
		o.Port, err = strconv.Atoi(port)
		ts.Check(err)
	}
	s, err := server.NewServer(o)
	ts.Check(err)
	s.Start()
	ts.Defer(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		ts.Fatalf("the NATS server did not start")
	}
	ts.Setenv(args[0], "nats://"+s.Addr().String())
	dir := ts.MkAbs("config/nats/context")
	ts.Check(os.MkdirAll(dir, 0o700))
	context := fmt.Sprintf(`{"url":"nats://%s","user":%q,"password":%q}`, s.Addr(), args[1], args[2])
	ts.Check(os.WriteFile(filepath.Join(dir, args[0]+".json"), []byte(context), 0o600))
}

// natsNode is a NATS server until it is killed.
func natsNode() {
	o, err := server.ProcessConfigFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	o.NoLog = true
	s, err := server.NewServer(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	s.Start()
	s.WaitForShutdown()
}
