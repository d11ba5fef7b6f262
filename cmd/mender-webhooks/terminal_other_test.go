//go:build !unix

package main

import "github.com/rogpeppe/go-internal/testscript"

// cmdTerminal skips the script, since this system has no pseudo-terminals.
func cmdTerminal(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("there are no pseudo-terminals here: begin the script with [!unix] skip")
}
