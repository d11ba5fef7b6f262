package main

import (
	"os"
	"syscall"
)

// residentMemory returns the peak resident memory of a process, in bytes.
func residentMemory(p *os.ProcessState) int64 {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss << 10
}
