package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rogpeppe/go-internal/testscript"
)

// address NAMES... sets each $NAME to an address of this machine at which nobody
// listens yet.
func cmdAddress(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	for _, name := range args {
		l, err := net.Listen("tcp", "127.0.0.1:0")
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
		_, port, err := net.SplitHostPort(args[3])
		ts.Check(err)
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
