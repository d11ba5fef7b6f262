//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/term"
)

// terminal CODE DIALOGUE ARGS runs mender-webhooks with a pseudo-terminal as stdin
// and stderr, and checks its exit code. Each line of the file DIALOGUE is `PATTERN
// => ANSWER`: when the pattern appears, the answer is typed, with ^C and ^D as
// keys. It writes the contents of the terminal to terminal.txt and stdout to
// terminal.out, and checks that the program restores the terminal's settings.
func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	master, slave, err := pty.Open()
	ts.Check(err)
	defer master.Close()
	before, err := term.GetState(int(slave.Fd()))
	ts.Check(err)

	program, err := exec.LookPath("mender-webhooks")
	ts.Check(err)
	cmd := exec.Command(program, args[2:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), environmentOf(ts)
	var stdout bytes.Buffer
	cmd.Stdin, cmd.Stderr, cmd.Stdout = slave, slave, &stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // so that ^C is a signal
	ts.Check(cmd.Start())
	j := &job{cmd: cmd, out: newWatched(), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the exit code is checked below
		close(j.ended)
	}()
	defer func() { _ = cmd.Process.Kill() }() // it may have ended already
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			_, _ = j.out.Write(buf[:n]) // a buffer
			if err != nil {
				return
			}
		}
	}()
	seen := 0
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		pattern, answer, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " => ")
		if !ok {
			continue
		}
		m, err := j.out.find(regexp.MustCompile(`(?s)^.{`+strconv.Itoa(seen)+`,}`+pattern), j.ended)
		if err != nil {
			ts.Fatalf("%v; the terminal showed:\n%s", err, j.out)
		}
		seen = len(m[0])
		switch answer += "\n"; answer {
		case "^C\n":
			answer = "\x03"
		case "^D\n":
			answer = "\x04"
		}
		_, err = master.WriteString(answer)
		ts.Check(err)
	}
	select {
	case <-j.ended:
	case <-time.After(patience):
		ts.Fatalf("it does not end; the terminal showed:\n%s", j.out)
	}
	after, err := term.GetState(int(slave.Fd()))
	ts.Check(err)
	ts.Check(slave.Close())
	<-shown
	ts.Logf("%s", j.out)
	if *after != *before {
		ts.Fatalf("the terminal was left in another state")
	}
	ts.Check(os.WriteFile(ts.MkAbs("terminal.txt"), []byte(j.out.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("terminal.out"), stdout.Bytes(), 0o600))
	if code := cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s; the terminal showed:\n%s", code, args[0], j.out)
	}
}
