//go:build !unix

package main

import "github.com/rogpeppe/go-internal/testscript"

// cmdTerminal needs a pseudo-terminal, which this system has none of.
func cmdTerminal(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("there are no pseudo-terminals here: begin the script with [!unix] skip")
}
