//go:build unix

// Command pictures draws the pictures in the README. It runs the program on a
// pseudo-terminal against the sandbox, and converts the output to SVG. Run it in
// the root of the repository:
//
//	go run ./docs/pictures
//
// It replaces times, event ids and ports with fixed ones, so that the pictures
// change only if the program does.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func main() {
	if err := generate("docs/pictures"); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

// generate builds the program, plays the scene, and writes the pictures to dir.
func generate(dir string) error {
	work, err := os.MkdirTemp("", "pictures")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	program := filepath.Join(work, "mender-webhooks")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/mender-webhooks").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	screens, err := play(ctx, program, work)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	fixed := newFixer()
	for _, s := range screens {
		if err := os.WriteFile(filepath.Join(dir, s.name+".svg"), draw(s.command, fixed.fix(s.text)), 0o644); err != nil {
			return err
		}
	}
	return nil
}
