package exectarget

import (
	"os/exec"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/windows"
)

// group is a program and all processes that it starts: a job object. Processes that
// the program starts before it is assigned to the job are not part of it.
type group struct {
	cmd      *exec.Cmd
	job      windows.Handle
	assigned atomic.Bool
}

func newGroup(cmd *exec.Cmd) (*group, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, err
	}
	g := &group{cmd: cmd, job: job}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err != nil {
		g.release()
		return nil, err
	}
	return g, nil
}

// started assigns the program to the job. If that fails, kill ends only the program.
func (g *group) started() {
	const access = windows.PROCESS_SET_QUOTA | windows.PROCESS_TERMINATE
	process, err := windows.OpenProcess(access, false, uint32(g.cmd.Process.Pid))
	if err != nil {
		return
	}
	defer func() { _ = windows.CloseHandle(process) }() // nothing depends on it
	g.assigned.Store(windows.AssignProcessToJobObject(g.job, process) == nil)
}

// kill ends all processes of the group.
func (g *group) kill() error {
	if !g.assigned.Load() {
		return g.cmd.Process.Kill()
	}
	return windows.TerminateJobObject(g.job, 1)
}

func (g *group) release() { _ = windows.CloseHandle(g.job) } // also ends its processes
