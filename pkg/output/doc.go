// Package output writes the results of commands to stdout: as tables, JSON, YAML or
// names, optionally filtered with jq.
//
// A command creates one Printer and prints either a complete result,
//
//	p, err := output.New(os.Stdout, output.Options{Format: output.Table, JQ: expr})
//	…
//	err = p.Print(output.View{Value: integrations, Table: table, Names: ids})
//
// or a stream of items:
//
//	s := p.Stream(columns)
//	for event, err := range events {
//		…
//		err = s.Write(output.Item{Value: event, Row: row, Name: event.ID})
//	}
//	err = s.Close()
//
// Text from servers and webhooks may contain escape sequences for terminals. This
// package escapes them: in tables and names as Safe does, in JSON and YAML with
// their own escape sequences. A command that prints such text elsewhere, for example
// to stderr, must call Safe.
//
// The package reads neither the environment nor terminal settings: Options specify
// whether there is a terminal, its width, and whether to use color.
package output
