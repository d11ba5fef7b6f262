//go:build unix

package exectarget

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// group is a program and all processes that it starts, unless they create a group
// of their own.
type group struct{ cmd *exec.Cmd }

func newGroup(cmd *exec.Cmd) (*group, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return &group{cmd}, nil
}

func (g *group) started() {}

// kill ends all processes of the group.
func (g *group) kill() error {
	err := syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

func (g *group) release() {}
