package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

const (
	benchEvents = 100_000
	benchPages  = benchEvents / 500
)

// BenchmarkActivityAll runs `activity --all -o jsonl` on the sandbox's 100,000
// events. In turns with it, it fetches the same 200 pages over one connection
// without parsing them: with curl if it is installed, otherwise with Go's client.
// It reports the ratio of their median times, and the largest resident memory of
// the command. docs/benchmarks.md has the figures.
//
//	go test ./cmd/mender-webhooks -run '^$' -bench ActivityAll -benchtime 15x
func BenchmarkActivityAll(b *testing.B) {
	server, token := startSandbox(b)
	fetch, name := fetcher(b, server, token)
	var ours, theirs []time.Duration
	var memory int64
	for b.Loop() {
		start := time.Now()
		fetch()
		theirs = append(theirs, time.Since(start))
		start = time.Now()
		memory = max(memory, runActivityAll(b, server, token))
		ours = append(ours, time.Since(start))
	}
	b.ReportMetric(median(ours).Seconds()*1000, "ms/activity")
	b.ReportMetric(median(theirs).Seconds()*1000, "ms/"+name)
	b.ReportMetric(median(ours).Seconds()/median(theirs).Seconds(), "times-"+name)
	if memory > 0 {
		b.ReportMetric(float64(memory)/(1<<20), "MiB-resident")
	}
	b.ReportMetric(0, "ns/op")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// program returns a command that runs mender-webhooks in its own process.
func program(b *testing.B, env []string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "mender-webhooks" // testscript.Main looks at this name
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// startSandbox starts a server with a history in its own process, because a
// child's measured memory starts with its parent's.
func startSandbox(b *testing.B) (server, token string) {
	cmd := program(b, nil, "sandbox", "--addr", "127.0.0.1:0", "--events", fmt.Sprint(benchEvents+100)) // some expire
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // it has no state to save
		_ = cmd.Wait()
	})
	if _, err := fmt.Fscanf(out, "export MENDER_SERVER_URL=%s\nexport MENDER_SERVER_ACCESS_TOKEN=%s\n", &server, &token); err != nil {
		b.Fatal(err)
	}
	return server, token
}

// runActivityAll returns the command's largest resident memory in bytes, or 0 if
// the system does not report it.
func runActivityAll(b *testing.B, server, token string) int64 {
	out, err := os.CreateTemp(b.TempDir(), "events")
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	var stderr bytes.Buffer
	cmd := program(b, []string{"MENDER_SERVER_URL=" + server, "MENDER_SERVER_ACCESS_TOKEN=" + token}, "activity", "--all", "-o", "jsonl")
	cmd.Stdout, cmd.Stderr = out, &stderr
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v\n%s", err, stderr.String())
	}
	if info, err := out.Stat(); err != nil || info.Size() < benchEvents*200 { // bytes each, at the very least
		b.Fatalf("not all events came: %v, %v", info.Size(), err)
	}
	return residentMemory(cmd.ProcessState)
}

// fetcher returns a function that fetches the pages without parsing them.
func fetcher(b *testing.B, server, token string) (fetch func(), name string) {
	path := server + "/api/management/v1/iot-manager/events?per_page=500&page="
	if curl, err := exec.LookPath("curl"); err == nil {
		return func() {
			cmd := exec.Command(curl, "-sS", "--fail", "-H", "Authorization: Bearer "+token, "-o", os.DevNull, fmt.Sprintf("%s[1-%d]", path, benchPages))
			if text, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, text)
			}
		}, "curl"
	}
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	return func() {
		for page := range benchPages {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, fmt.Sprint(path, page+1), nil)
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := client.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				b.Fatal(err)
			}
			_ = resp.Body.Close() // it was read to its end
		}
	}, "fetch"
}
