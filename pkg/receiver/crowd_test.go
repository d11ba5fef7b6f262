package receiver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Many open connections, idle or with half a header or half a body, cannot keep
// Mender's events out.
func TestHonestEventsGetThroughACrowd(t *testing.T) {
	const limit = 50
	s := secret(t, "deadbeef")
	r := start(t, receiver.Options{Secrets: only(s)}, receiver.ServerOptions{MaxConns: limit})
	r.do(r.post(event, s)) // a connection that Mender keeps open
	stop := make(chan struct{})
	var crowd sync.WaitGroup
	var opened, most atomic.Int64
	for i := range 8 {
		crowd.Go(func() {
			var held []net.Conn
			defer func() {
				for _, c := range held {
					_ = c.Close()
				}
			}()
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", r.addr)
				if err != nil {
					continue
				}
				_, _ = c.Write([]byte([]string{
					"", "POST /hook HTT", "POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{",
				}[i%3]))
				held = append(held, c)
				if len(held) > limit {
					_ = held[0].Close()
					held = held[1:]
				}
				opened.Add(1)
				most.Store(max(most.Load(), int64(r.srv.Conns())))
				time.Sleep(time.Millisecond) // so that the test leaves some processor time to others
			}
		})
	}
	eventually(t, "the crowd is over the limit", func() bool { return opened.Load() > 4*limit })
	for i := range 100 {
		client := r.client
		if i%2 == 0 { // half of them over separate connections
			transport := &http.Transport{DisableKeepAlives: true}
			client = &http.Client{Transport: transport}
		}
		resp, err := client.Do(r.post(event, s))
		if err != nil {
			t.Errorf("event %d did not get through: %v", i, err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 204 {
			t.Errorf("event %d was answered %d", i, resp.StatusCode)
		}
	}
	close(stop)
	crowd.Wait()
	if most.Load() > limit {
		t.Errorf("%d connections were open, the limit is %d", most.Load(), limit)
	}
}

// Thousands of open connections, each with part of a large body, use bounded
// memory, and Mender's events get through.
func TestThousandsOfConnections(t *testing.T) {
	const crowd = 3000
	s := secret(t, "deadbeef")
	r := start(t, receiver.Options{Secrets: only(s)}, receiver.ServerOptions{})
	r.do(r.post(event, s))
	before := inUse()
	begun := []byte("POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("[", 8<<10))
	held := make([]net.Conn, 0, crowd)
	defer func() {
		for _, c := range held {
			_ = c.Close()
		}
	}()
	for len(held) < crowd {
		c, err := net.Dial("tcp", r.addr)
		if err != nil && len(held) > 1024 {
			t.Logf("no more than %d connections here: %v", len(held), err)
			break
		} else if err != nil {
			t.Skipf("no more than %d connections here: %v", len(held), err)
		}
		held = append(held, c)
		_, _ = c.Write(begun) // it may be closed already
		if len(held)%30 == 0 {
			r.do(r.post(event, s))
		}
	}
	if n := r.srv.Conns(); n > 1024 {
		t.Errorf("%d connections are open, the limit is %d", n, 1024)
	}
	grown := inUse() - before
	t.Logf("%d connections took %d MiB", len(held), grown>>20)
	if grown > 128<<20 {
		t.Errorf("%d MiB are in use", grown>>20)
	}
	for range 20 {
		fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := fresh.Do(r.post(event, s))
		if err != nil {
			t.Fatalf("an event over a connection of its own did not get through: %v", err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Errorf("an event was answered %d", resp.StatusCode)
		}
	}
}

// inUse returns the memory of the heap and the stacks, in bytes.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse) //nolint:gosec // far from overflowing
}

// At the limit, a new connection is closed rather than one that is in use.
func TestAConnectionAtWorkIsNotCut(t *testing.T) {
	const limit = 3
	arrived, release := make(chan struct{}), make(chan struct{})
	r := start(t, receiver.Options{AllowUnchecked: true, Accept: func(context.Context, *receiver.Request) receiver.Answer {
		arrived <- struct{}{}
		<-release
		return receiver.Answer{}
	}}, receiver.ServerOptions{MaxConns: limit})
	answers := make(chan error, limit)
	for range limit {
		req := r.post(event, webhook.Secret{})
		go func() {
			resp, err := r.client.Do(req)
			if err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusNoContent {
					err = errors.New(resp.Status)
				}
			}
			answers <- err
		}()
		<-arrived
	}
	for range 2 * limit {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, c) // until it is closed
		_ = c.Close()
	}
	close(release)
	for range limit {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}
