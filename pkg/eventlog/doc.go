// Package eventlog reads Mender's activity log.
package eventlog
