// Package output writes what the commands have to say on stdout: tables, JSON,
// YAML, names, filtered with jq where asked for.
//
// A command makes one Printer, and gives it either a whole result,
//
//	p, err := output.New(os.Stdout, output.Options{Format: output.Table, JQ: expr})
//	…
//	err = p.Print(output.View{Value: integrations, Table: table, Names: ids})
//
// or, item by item, a stream:
//
//	s := p.Stream(columns)
//	for event, err := range events {
//		…
//		err = s.Write(output.Item{Value: event, Row: row, Name: event.ID})
//	}
//	err = s.Close()
//
// Text from a server or a webhook may hold escape sequences that a terminal
// obeys. Nothing of the kind leaves this package: tables and names show it as
// Safe does, JSON and YAML hold it as escapes of their own, with the same
// meaning. A command that prints such text elsewhere, on stderr say, calls
// Safe itself.
//
// The package reads no environment and asks no terminal: Options say whether
// there is one, how wide it is, and whether to use colour.
package output
