// Package privatefile writes files that only their owner can read, whole or
// not at all: whoever reads one, or loses power, finds the old or the new one.
package privatefile
