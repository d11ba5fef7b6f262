package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkStartup compares the program's start with that of a Cobra program
// without commands, both built as for a release:
//
//	go test ./cmd/mender-webhooks -run '^$' -bench Startup -benchtime 200x
//
// The two take turns, so that other load affects both. The figures are medians of
// the time from fork to exit.
func BenchmarkStartup(b *testing.B) {
	programs := map[string]string{"mender-webhooks": ".", "skeleton": "./testdata/skeleton"}
	var size int64
	taken := map[string][]time.Duration{}
	for name, source := range programs {
		file := filepath.Join(b.TempDir(), name)
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", file, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		info, err := os.Stat(file)
		if err != nil {
			b.Fatal(err)
		}
		if name == "mender-webhooks" {
			size = info.Size()
		}
		programs[name] = file
	}
	for b.Loop() {
		for name, file := range programs {
			start := time.Now()
			if err := exec.Command(file, "--help").Run(); err != nil {
				b.Fatal(err)
			}
			taken[name] = append(taken[name], time.Since(start))
		}
	}
	median := func(name string) float64 {
		slices.Sort(taken[name])
		return float64(taken[name][len(taken[name])/2].Microseconds()) / 1000
	}
	ours, bare := median("mender-webhooks"), median("skeleton")
	b.ReportMetric(float64(size)/(1<<20), "MiB")
	b.ReportMetric(ours, "ms/start")
	b.ReportMetric(bare, "ms/skeleton-start")
	b.ReportMetric(ours/bare, "times-skeleton")
	b.ReportMetric(0, "ns/op") // it would be the sum of both programs
}
