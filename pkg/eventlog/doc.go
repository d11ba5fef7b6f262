// Package eventlog reads Mender's activity log: once, as it grows, or to
// recover events whose deliveries failed.
//
//	for e, err := range eventlog.New(client).Events(ctx, eventlog.Query{Failed: true}) {
//
// The log is a list that is sorted by the time of saving, newest first, and read
// page by page. Pages shift while events arrive, events are saved up to 10 s
// late and in any order, and some servers cannot select the events of one
// integration. This package hides all of that: it returns each event once.
package eventlog
