//go:build !linux

package main

import "os"

// residentMemory returns 0, since it is unknown on this system.
func residentMemory(*os.ProcessState) int64 { return 0 }
