//go:build unix

package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// BenchmarkListenCluster is BenchmarkListen with listen --nats, on three NATS
// servers on the same machine, each in its own process, with one and with three
// replicas.
//
//	go test -run '^$' -bench ListenCluster -benchtime 20000x ./cmd/mender-webhooks
func BenchmarkListenCluster(b *testing.B) {
	urls := startNATSNodes(b)
	for _, replicas := range []int{1, 3} {
		b.Run(fmt.Sprintf("replicas=%d", replicas), func(b *testing.B) {
			bare := startServer(b, "bare-handler", regexp.MustCompile(`listening on http://(\S+)`))
			ours := startServer(b, "mender-webhooks", regexp.MustCompile(`listening on http://([^\s;]+)`),
				"listen", "--addr", "127.0.0.1:0", "--secret", "deadbeef", "-o", "none", "--nats", urls,
				"--replicas", fmt.Sprint(replicas), "--subject-prefix", fmt.Sprintf("r%d-%d", replicas, b.N))
			ours.awaitSuccess(b)
			compete(b, bare, ours)
		})
	}
}

// awaitSuccess waits until events are accepted. At the start, the cluster may not
// be available yet.
func (c *contender) awaitSuccess(b *testing.B) {
	b.Helper()
	in := bufio.NewReader(c.conns[0])
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := roundTrip(c.conns[0], in, signedRequests(b, 1)[0])
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.Fatal(err)
		}
		// The answer was not read completely.
		_ = c.conns[0].Close()
		if c.conns[0], err = net.Dial("tcp", c.conns[0].RemoteAddr().String()); err != nil {
			b.Fatal(err)
		}
		in.Reset(c.conns[0])
	}
}

// startNATSNodes runs a JetStream cluster of three on loopback until the
// benchmark ends, and returns its URLs.
func startNATSNodes(b *testing.B) string {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	program := filepath.Join(b.TempDir(), "nats-node")
	if err := os.Symlink(self, program); err != nil {
		b.Fatal(err)
	}
	var at [6]string // three for clients, three for the other servers
	for i := range at {
		at[i] = freeAddress(b)
	}
	for i := range 3 {
		dir := b.TempDir()
		config := filepath.Join(dir, "nats.conf")
		text := fmt.Sprintf(`server_name: n%d
listen: %q
jetstream { store_dir: %q, max_file: 8G, max_mem: 16M }
cluster { name: bench, listen: %q, no_advertise: true, routes: ["nats://%s", "nats://%s", "nats://%s"] }
`, i, at[i], dir, at[3+i], at[3], at[4], at[5])
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		command := exec.Command(program, config)
		if err := command.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			_ = command.Process.Kill() // its folder goes too
			_ = command.Wait()
		})
	}
	return fmt.Sprintf("nats://%s,nats://%s,nats://%s", at[0], at[1], at[2])
}
