package output_test

import (
	"fmt"
	"os"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func ExamplePrinter_Print() {
	devices := []map[string]string{{"id": "d1", "status": "accepted"}, {"id": "d2", "status": "\x1b[2J"}}
	table := output.TableView{Columns: []output.Column{{Name: "id"}, {Name: "status"}}}
	var ids []string
	for _, d := range devices {
		table.Rows = append(table.Rows, []string{d["id"], d["status"]})
		ids = append(ids, d["id"])
	}
	for _, o := range []output.Options{
		{Format: output.Table}, {Format: output.JSONL}, {Format: output.Name}, {JQ: "map(.status)"},
	} {
		p, err := output.New(os.Stdout, o)
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := p.Print(output.View{Value: devices, Table: table, Names: ids}); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// ID  STATUS
	// d1  accepted
	// d2  \x1b[2J
	// {"id":"d1","status":"accepted"}
	// {"id":"d2","status":"\u001b[2J"}
	// d1
	// d2
	// ["accepted","\u001b[2J"]
}

func ExamplePrinter_Stream() {
	p, err := output.New(os.Stdout, output.Options{Format: output.JSON})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := p.Stream([]output.Column{{Name: "n", Min: 4}})
	for n := range 2 {
		if err := s.Write(output.Item{Value: n, Row: []string{fmt.Sprint(n)}}); err != nil {
			fmt.Println(err)
			break
		}
	}
	if err := s.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// [
	//   0,
	//   1
	// ]
}
