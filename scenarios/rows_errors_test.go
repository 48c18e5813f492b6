package scenarios_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/diag"
	"iflowtest/scenarios"
)

// TestRowErrors compares everything that is told of a data file, as it is
// printed.
func TestRowErrors(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"csv: too few cells, too many", "a.csv", "sku,qty\nA,1\nB\nC,3,\"x,y\"\n\"D\nE\",1,2\n", `
suite/a.csv:3:1: line 3 has 1 cell, want 2  [invalid-row]
  |
3 | B
  | ^
  = every line has as many cells as the header

suite/a.csv:4:5: line 4 has 3 cells, want 2  [invalid-row]
  |
4 | C,3,"x,y"
  |     ^~~~~
  = a cell that holds the separator stands in quotes: "a,b"

suite/a.csv:6:6: line 5 has 3 cells, want 2  [invalid-row]
  |
6 | E",1,2
  |      ^
  = a cell that holds the separator stands in quotes: "a,b"
`},
		{"csv: semicolons", "a.csv", "sku;qty;\"x,y\"\nA;1;2\n", `
suite/a.csv:1:4: warning: the separator is ";" and not a comma  [separator]
  |
1 | sku;qty;"x,y"
  |    ^
  = the columns are "sku", "qty", "x,y"
`},
		{"csv: tabs", "a.csv", "sku\tqty\nA\t1,5\n", `
suite/a.csv:1:4: warning: the separator is a tab and not a comma  [separator]
  |
1 | sku qty
  |    ^
  = the columns are "sku", "qty"
`},
		{"csv: semicolons, and too many cells", "a.csv", "a;b,c;d\n1;2,3;4;5\n", `
suite/a.csv:1:2: warning: the separator is ";" and not a comma  [separator]
  |
1 | a;b,c;d
  |  ^
  = the columns are "a", "b,c", "d"

suite/a.csv:2:9: line 2 has 4 cells, want 3  [invalid-row]
  |
2 | 1;2,3;4;5
  |         ^
  = a cell that holds the separator stands in quotes: "a;b"
`},
		{"csv: quotes inside of cells", "a.csv", "pipe,size\n5\" pipe,1\nok,2\n\"5\"\" pipe\",3\n\"5\" pipe\",4\n", `
suite/a.csv:2:2: a quote stands inside a cell that does not begin with one  [invalid-row]
  |
2 | 5" pipe,1
  |  ^
  = a cell with quotes in it is written in quotes, and each of them twice: "5"" pipe"

suite/a.csv:5:3: the quoted cell ends here, and text follows it  [invalid-row]
  |
5 | "5" pipe",4
  |   ^
  = a cell with quotes in it is written in quotes, and each of them twice: "5"" pipe"
`},
		{"csv: a quote that is not closed", "a.csv", "a,b\n1,2\n3,\"4\n5,6\n7,8\n", `
suite/a.csv:3:3: the quote that opens here is never closed  [invalid-row]
  |
3 | 3,"4
  |   ^
  = a cell with quotes in it is written in quotes, and each of them twice: "5"" pipe"
`},
		{"csv: a quote that is closed by the next one", "a.csv", "a,b\n1,\"2\n3,\"4\"\n5,6\n", `
suite/a.csv:2:3: the quote that opens here is closed in line 3, in the middle of a cell  [invalid-row]
  |
2 | 1,"2
  |   ^
  = a quote is missing before the end of this line, or stands here by mistake
`},
		{"csv: empty", "a.csv", "", `
suite/a.csv:1:1: the file is empty: the first line of a CSV file names the columns  [bad-file]
`},
		{"csv: blank", "a.csv", "\n\r\n\n", `
suite/a.csv:1:1: the file is empty: the first line of a CSV file names the columns  [bad-file]
  |
1 | 
  | ^
`},
		{"csv: nothing but a byte order mark", "a.csv", "\ufeff", `
suite/a.csv:1:1: the file is empty: the first line of a CSV file names the columns  [bad-file]
`},
		{"csv: no rows", "a.csv", "a,b\n\n", `
suite/a.csv:1:1: the file has a header and no rows  [empty-block]
  |
1 | a,b
  | ^
  = without a row nothing would run
`},
		{"csv: names of columns", "a.csv", "a,,index,a,\"b\",b,\n1,2,3,4,5,6,7\n", `
suite/a.csv:1:3: a column has no name  [invalid-name]
  |
1 | a,,index,a,"b",b,
  |   ^
  = the first line names every column

suite/a.csv:1:4: a column cannot be called "index": row.index is the number of the row  [invalid-name]
  |
1 | a,,index,a,"b",b,
  |    ^~~~~
  = give it another name

suite/a.csv:1:10: the column "a" stands twice; first in column 1  [duplicate-key]
  |
1 | a,,index,a,"b",b,
  |          ^

suite/a.csv:1:16: the column "b" stands twice; first in column 12  [duplicate-key]
  |
1 | a,,index,a,"b",b,
  |                ^

suite/a.csv:1:18: a column has no name  [invalid-name]
  |
1 | a,,index,a,"b",b,
  |                  ^
  = the line ends in a separator: take it away, or name the last column
`},
		{"csv: the note that Excel writes", "a.csv", "sep=;\na;b\n1;2\n", `
suite/a.csv:1:1: the first line is a note to Excel, and names no columns  [invalid-row]
  |
1 | sep=;
  | ^
  = take it out: the separator is recognised
`},
		{"csv: U+0000, told once", "a.csv", "a,b\n1,x\x00y\n\x00,2\n", `
suite/a.csv:2:4: the character U+0000 is not allowed  [encoding]
  |
2 | 1,x·y
  |    ^
  = save the file as UTF-8: a file with U+0000 is UTF-16, or no text
`},
		{"csv: UTF-16 without byte order mark", "a.csv", "a\x00,\x00b\x00\n\x00", `
suite/a.csv:1:2: the character U+0000 is not allowed  [encoding]
  |
1 | a·,·b·
  |  ^
  = save the file as UTF-8: a file with U+0000 is UTF-16, or no text
`},
		{"csv: UTF-16", "a.csv", "\xff\xfea\x00,\x00b\x00\n\x00", `
suite/a.csv:1:1: the file is UTF-16, want UTF-8  [encoding]
 = save it as UTF-8
`},
		{"csv: Latin-1, told once", "a.csv", "Name,Ort\nJürgen,M\xfcnchen\n\xfcber,\n", `
suite/a.csv:2:9: byte 0xfc is not UTF-8  [encoding]
  |
2 | Jürgen,M�nchen
  |         ^
  = save the file as UTF-8
`},
		{"csv: Latin-1 in the header", "a.csv", "Stra\xdfe,Ort\nx,y\n", `
suite/a.csv:1:5: byte 0xdf is not UTF-8  [encoding]
  |
1 | Stra�e,Ort
  |     ^
  = save the file as UTF-8
`},
		{"csv: old line ends", "a.csv", "a,b\r1,2\r3,4\r", `
suite/a.csv:1:4: the lines of the file end in CR alone  [encoding]
  |
1 | ***
  |    ^
  = save it with the line ends of Unix (LF) or Windows (CRLF)
`},
		{"csv: a secret is not shown", "a.csv", "user,Password\nann,hunter2,x\n", `
suite/a.csv:2:13: line 2 has 3 cells, want 2  [invalid-row]
  |
2 | ***
  |    ^
  = a cell that holds the separator stands in quotes: "a,b"
`},
		{"csv: nothing but the header is shown", "a.csv", "user,\"Password\nann,hunter2\n", `
suite/a.csv:1:6: the quote that opens here is never closed  [invalid-row]
  |
1 | user,"Password
  |      ^
  = a cell with quotes in it is written in quotes, and each of them twice: "5"" pipe"
`},
		{"tab-separated", "a.tsv", "x", `
suite/orders.scenario.yaml:2:7: "a.tsv" is no file of rows: want .csv, .json, .yaml or .yml  [bad-file]
  |
2 | data: a.tsv
  |       ^~~~~
  = a .csv file may have tabs or semicolons between its cells
`},
		{"a sheet", "a.xlsx", "x", `
suite/orders.scenario.yaml:2:7: "a.xlsx" is no file of rows: want .csv, .json, .yaml or .yml  [bad-file]
  |
2 | data: a.xlsx
  |       ^~~~~~
  = save the sheet as CSV, in UTF-8
`},
		{"JSON lines", "a.jsonl", "x", `
suite/orders.scenario.yaml:2:7: "a.jsonl" is no file of rows: want .csv, .json, .yaml or .yml  [bad-file]
  |
2 | data: a.jsonl
  |       ^~~~~~~
  = a .json file is one array of objects: [{…}, {…}]
`},
		{"no extension", "rows", "x", `
suite/orders.scenario.yaml:2:7: "rows" is no file of rows: want .csv, .json, .yaml or .yml  [bad-file]
  |
2 | data: rows
  |       ^~~~
`},
		{"json: empty", "a.json", " \n", `
suite/a.json:1:1: the file is empty: want an array of objects  [bad-file]
  |
1 | 
  | ^
`},
		{"json: an object", "a.json", "{\"a\":1}\n{\"a\":2}\n", `
suite/a.json:1:1: the file begins with an object, want an array of objects  [invalid-row]
  |
1 | {"a":1}
  | ^
  = put the rows into brackets, with commas between them: [{…}, {…}]
`},
		{"json: no JSON", "a.json", "hello", `
suite/a.json:1:1: the file does not begin with [, want an array of objects  [invalid-row]
  |
1 | hello
  | ^
`},
		{"json: no rows", "a.json", "\n [ ]\n", `
suite/a.json:2:2: the array has no rows  [empty-block]
  |
2 |  [ ]
  |  ^
  = without a row nothing would run
`},
		{"json: rows that are no objects", "a.json", "[{\"a\":1},\n 5, \"some text that is long, and longer, and longer still\", null, [1], true]", `
suite/a.json:2:2: row 2 is a number, want an object  [invalid-row]
  |
2 |  5, "some text that is long, and longer, and longer still", null, [1], true]
  |  ^

suite/a.json:2:5: row 3 is a text, want an object  [invalid-row]
  |
2 |  5, "some text that is long, and longer, and longer still", null, [1], true]
  |     ^

suite/a.json:2:61: row 4 is null, want an object  [invalid-row]
  |
2 |  5, "some text that is long, and longer, and longer still", null, [1], true]
  |                                                             ^

suite/a.json:2:67: row 5 is a list, want an object  [invalid-row]
  |
2 |  5, "some text that is long, and longer, and longer still", null, [1], true]
  |                                                                   ^

suite/a.json:2:72: row 6 is a boolean, want an object  [invalid-row]
  |
2 |  5, "some text that is long, and longer, and longer still", null, [1], true]
  |                                                                        ^
`},
		{"json: keys that stand twice", "a.json", "[{\"a\":1,\n  \"b\":{\"x\":1,\"x\":2},\n  \"a\":3, \"\\u0061\":4}]", `
suite/a.json:2:14: the key "x" stands twice; first in line 2  [duplicate-key]
  |
2 |   "b":{"x":1,"x":2},
  |              ^~~

suite/a.json:3:3: the key "a" stands twice; first in line 1  [duplicate-key]
  |
3 |   "a":3, "\u0061":4}]
  |   ^~~

suite/a.json:3:10: the key "a" stands twice; first in line 1  [duplicate-key]
  |
3 |   "a":3, "\u0061":4}]
  |          ^~~~~~~~
`},
		{"json: names of columns", "a.json", "[{\"\":1,\"index\":2}]", `
suite/a.json:1:3: a column has no name  [invalid-name]
  |
1 | [{"":1,"index":2}]
  |   ^~

suite/a.json:1:8: a column cannot be called "index": row.index is the number of the row  [invalid-name]
  |
1 | [{"":1,"index":2}]
  |        ^~~~~~~
  = give it another name
`},
		{"json: commas too many", "a.json", "[\n  {\"a\":1,},\n  {\"a\":2,},\n]", `
suite/a.json:2:10: the file is not JSON: invalid character '}' looking for beginning of object key string  [syntax]
  |
2 |   {"a":1,},
  |          ^
  = take away the comma before it

suite/a.json:3:10: the file is not JSON: invalid character '}' looking for beginning of object key string  [syntax]
  |
3 |   {"a":2,},
  |          ^
  = take away the comma before it
`},
		{"json: no comma", "a.json", "[\n  {\"a\":1}\n  {\"a\":2}\n]", `
suite/a.json:3:3: a comma or ] is missing here, after row 1  [syntax]
  |
3 |   {"a":2}
  |   ^
`},
		{"json: array not closed", "a.json", "[\n  {\"a\":1}\n", `
suite/a.json:3:1: the array is not closed: a ] is missing at the end  [syntax]
`},
		{"json: row not closed", "a.json", "[\n  {\"a\":1}, {\"a\":\n 2", `
suite/a.json:2:12: the row that begins here is not closed  [syntax]
  |
2 |   {"a":1}, {"a":
  |            ^
`},
		{"json: text after the array", "a.json", "[{\"a\":1}]\n[{\"a\":2}]", `
suite/a.json:2:1: text follows the array  [syntax]
  |
2 | [{"a":2}]
  | ^
  = all rows stand in one array: [{…}, {…}]
`},
		{"json: what people write", "a.json", "[{'a':1},{\"a\":'x'},{a:1},{\"a\":True},{\"a\":NaN},{\"a\":01},{\"a\":1 // x\n}]", `
suite/a.json:1:3: the file is not JSON: invalid character '\'' looking for beginning of object key string  [syntax]
  |
1 | [{'a':1},{"a":'x'},{a:1},{"a":True},{"a":NaN},{"a":01},{"a":1 // x
  |   ^
  = keys and texts stand in double quotes

suite/a.json:1:15: the file is not JSON: invalid character '\'' looking for beginning of value  [syntax]
  |
1 | [{'a':1},{"a":'x'},{a:1},{"a":True},{"a":NaN},{"a":01},{"a":1 // x
  |               ^
  = keys and texts stand in double quotes

suite/a.json:1:21: the file is not JSON: invalid character 'a' looking for beginning of object key string  [syntax]
  |
1 | [{'a':1},{"a":'x'},{a:1},{"a":True},{"a":NaN},{"a":01},{"a":1 // x
  |                     ^
  = keys and texts stand in double quotes

suite/a.json:1:31: the file is not JSON: invalid character 'T' looking for beginning of value  [syntax]
  |
1 | [{'a':1},{"a":'x'},{a:1},{"a":True},{"a":NaN},{"a":01},{"a":1 // x
  |                               ^
  = it is true, false and null

suite/a.json:1:42: the file is not JSON: invalid character 'N' looking for beginning of value  [syntax]
  |
1 | [{'a':1},{"a":'x'},{a:1},{"a":True},{"a":NaN},{"a":01},{"a":1 // x
  |                                          ^
  = a number is written like -1.5e3

suite/a.json:1:53: the file is not JSON: invalid character '1' after object key:value pair  [syntax]
  |
1 | [{'a':1},{"a":'x'},{a:1},{"a":True},{"a":NaN},{"a":01},{"a":1 // x
  |                                                     ^
  = a number has no zeros in front; a text stands in double quotes

suite/a.json:1:63: the file is not JSON: invalid character '/' after object key:value pair  [syntax]
  |
1 | [{'a':1},{"a":'x'},{a:1},{"a":True},{"a":NaN},{"a":01},{"a":1 // x
  |                                                               ^
  = JSON has no comments
`},
		{"json: line break in a text", "a.json", "[{\"a\":\"x\n\"}]", `
suite/a.json:1:7: the text that begins here does not end in its line  [syntax]
  |
1 | [{"a":"x
  |       ^
  = a line break in a text is written \n, a quote \"
`},
		{"json: Latin-1", "a.json", "[{\"a\":\"\xfc\"}]", `
suite/a.json:1:8: byte 0xfc is not UTF-8  [encoding]
  |
1 | [{"a":"�"}]
  |        ^
  = save the file as UTF-8
`},
		{"json: UTF-16", "a.json", "\xfe\xff\x00[", `
suite/a.json:1:1: the file is UTF-16, want UTF-8  [encoding]
 = save it as UTF-8
`},
		{"json: half a character", "a.json", "[{\"a\":\"\\ud83d x\"}]", `
suite/a.json:1:8: \ud83d is one half of a character  [encoding]
  |
1 | [{"a":"\ud83d x"}]
  |        ^~~~~~
  = a character beyond U+FFFF is written as two escapes, or as it is
`},
		{"json: brackets that do not match", "a.json", "[{\"a\":[1}]]", `
suite/a.json:1:9: the file is not JSON: invalid character '}' after array element  [syntax]
  |
1 | [{"a":[1}]]
  |         ^
`},
		{"json: a line with a secret is not shown", "a.json", "[\n{\"token\":\"hunter2\"},\n5]", `
suite/a.json:3:1: row 2 is a number, want an object  [invalid-row]
`},
		{"json: a line with a secret further in is not shown", "a.json", "[\n{\"a\":{\"token\":\"hunter2\"}},\n5]", `
suite/a.json:3:1: row 2 is a number, want an object  [invalid-row]
`},
		{"json: a comma at the start", "a.json", "[,{}]", `
suite/a.json:1:2: no row stands beside this comma  [syntax]
  |
1 | [,{}]
  |  ^
  = take it away
`},
		{"json: two commas", "a.json", "[{},,{}]", `
suite/a.json:1:4: no row stands beside this comma  [syntax]
  |
1 | [{},,{}]
  |    ^
  = take it away
`},
		{"yaml: empty", "a.yaml", "# nothing\n", `
suite/a.yaml:1:1: the file is empty: want a list of mappings  [bad-file]
  |
1 | # nothing
  | ^
`},
		{"yaml: a mapping", "a.yaml", "a: 1\n", `
suite/a.yaml:1:1: the file holds a mapping, want a list of mappings  [invalid-row]
  |
1 | a: 1
  | ^
  = a row is written like: - {sku: A-100, qty: 2}
`},
		{"yaml: a text", "a.yaml", "hello\n", `
suite/a.yaml:1:1: the file holds a text, want a list of mappings  [invalid-row]
  |
1 | hello
  | ^~~~~
  = a row is written like: - {sku: A-100, qty: 2}
`},
		{"yaml: two documents", "a.yaml", "- a: 1\n---\n- a: 2\n", `
suite/a.yaml:2:1: a file of rows is one document, this one has 2  [bad-file]
  |
2 | ---
  | ^~~
`},
		{"yaml: rows that are no mappings, and keys", "a.yaml", "- a: 1\n- 5\n-\n- [1]\n- index: 2\n  a: 3\n  a: 4\n- some text\n", `
suite/a.yaml:2:3: row 2 is a number, want a mapping  [invalid-row]
  |
2 | - 5
  |   ^
  = a row is written like: - {sku: A-100, qty: 2}

suite/a.yaml:3:1: row 3 is nothing, want a mapping  [invalid-row]
  |
3 | -
  | ^
  = a row is written like: - {sku: A-100, qty: 2}

suite/a.yaml:4:3: row 4 is a list, want a mapping  [invalid-row]
  |
4 | - [1]
  |   ^
  = a row is written like: - {sku: A-100, qty: 2}

suite/a.yaml:5:3: a column cannot be called "index": row.index is the number of the row  [invalid-name]
  |
5 | - index: 2
  |   ^~~~~
  = give it another name

suite/a.yaml:7:3: the key "a" stands twice; first in line 6  [duplicate-key]
  |
7 |   a: 4
  |   ^

suite/a.yaml:8:3: row 6 is a text, want a mapping  [invalid-row]
  |
8 | - some text
  |   ^~~~~~~~~
  = a row is written like: - {sku: A-100, qty: 2}
`},
		{"yaml: syntax", "a.yaml", "- a: 1\n  b: [1\n- c: 2\n", `
suite/a.yaml:2:6: "[" is opened here and not closed  [syntax]
  |
2 |   b: [1
  |      ^
`},
		{"yaml: a secret is masked", "a.yaml", "- {token: hunter2, index: 1}\n", `
suite/a.yaml:1:20: a column cannot be called "index": row.index is the number of the row  [invalid-name]
  |
1 | - {token: ***, index: 1}
  |                    ^~~~~
  = give it another name
`},
		{"yaml: a syntax error beside a secret", "a.yaml", "- {token: hunter2\n- a: b\n", `
suite/a.yaml:1:3: "{" is opened here and not closed  [syntax]
`},
		{"yaml: no rows", "a.yaml", "[]\n", `
suite/a.yaml:1:1: the list has no rows  [empty-block]
  |
1 | []
  | ^
  = without a row nothing would run
`},
		{"yaml: no such anchor", "a.yaml", "- *x\n", `
suite/a.yaml:1:3: no anchor &x above  [unknown-anchor]
  |
1 | - *x
  |   ^~
  = a text that begins with * must be quoted
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, l, sources := rowsOf(t, tt.file, tt.text)
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), printed(t, l, sources)); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRowSecrets: whatever is wrong with the rows, no value of a column that
// speaks of a secret is shown.
func TestRowSecrets(t *testing.T) {
	const value = "hunter2"
	for _, tt := range []struct{ file, text string }{
		{"a.csv", "user,api-Key\nann,hunter2,x\n\"b\nhunter2,\n"},
		{"a.csv", "user,PWD,user\nann,hunter2\xff,\nhunter2\n"},
		{"a.csv", "user,password\rann,hunter2\r"},
		{"a.csv", "user\x00,password\nann,hunter2\n"},
		{"a.csv", "user,\"password\nann,hunter2\n"},
		{"a.json", `[{"user":1,"Token":"hunter2","user":2}, 5]`},
		{"a.json", "[{\"credentials\":\n{\"a\":\n\"hunter2\" 5}}]"},
		{"a.json", "[{\"passw\\u006frd\":\n\"hunter2\",\"x\":1},\n5]"},
		{"a.json", "[{\"client_secret\":\"hunter2\n\"}]"},
		{"a.yaml", "- {user: 1, token: hunter2, index: 2}\n"},
		{"a.yaml", "- user: 1\n  secret:\n    a:\n      - |\n        hunter2\n      - [hunter2]\n    index: 5\n  index: 5\n"},
		{"a.yaml", "- secret: [hunter2\n- token: {hunter2\n"},
		{"a.yaml", "- 5\n- password: &p hunter2\n- *p\n"},
		{"a.yaml", "- password: &p 4hunter2\n  other: {password: *p}\n- *p\n"},
	} {
		rows, l, sources := rowsOf(t, tt.file, tt.text)
		out := printed(t, l, sources)
		for _, line := range sources["suite/"+tt.file] {
			out += line + "\n"
		}
		if len(l) == 0 || strings.Contains(out, value) {
			t.Errorf("%q gives %d messages and shows\n%s(rows %v)", tt.text, len(l), out, rows != nil)
		}
	}
}

func TestDataNodeErrors(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"no such file", "gone.csv", `
suite/orders.scenario.yaml:2:7: no file "gone.csv"  [bad-file]
  |
2 | data: gone.csv
  |       ^~~~~~~~
  = did you mean goon.csv?
`},
		{"no such file, with options", "{file: gone.csv, parallel: 2}", `
suite/orders.scenario.yaml:2:14: no file "gone.csv"  [bad-file]
  |
2 | data: {file: gone.csv, parallel: 2}
  |              ^~~~~~~~
  = did you mean goon.csv?
`},
		{"a folder", "folder.csv", `
suite/orders.scenario.yaml:2:7: "folder.csv" is not a file  [bad-file]
  |
2 | data: folder.csv
  |       ^~~~~~~~~~
`},
		{"a link out of the project", "link.csv", `
suite/orders.scenario.yaml:2:7: "link.csv" leads outside the project folder  [outside-root]
  |
2 | data: link.csv
  |       ^~~~~~~~
  = files of scenarios lie below ROOT; --root names another folder
`},
		{"outside", "../../rows.csv", `
suite/orders.scenario.yaml:2:7: "../../rows.csv" leads outside the project folder  [outside-root]
  |
2 | data: ../../rows.csv
  |       ^~~~~~~~~~~~~~
  = files of scenarios lie below ROOT; --root names another folder
`},
		{"no path", "''", `
suite/orders.scenario.yaml:2:7: the path is empty  [bad-file]
  |
2 | data: ''
  |       ^~
`},
		{"inline rows are not computed", "\n  - {a: \"x ${y}\", b: \"$${c}\"}\n  - {\"${k}\": 1, b: [x, {c: 'y $${a} ${b}'}]}", `
suite/orders.scenario.yaml:3:12: data rows are not computed, and this one holds ${…}  [invalid-value]
  |
3 |   - {a: "x ${y}", b: "$${c}"}
  |            ^~
  = compute it where it is used, or in vars; a literal ${ is written $${

suite/orders.scenario.yaml:4:7: data rows are not computed, and this one holds ${…}  [invalid-value]
  |
4 |   - {"${k}": 1, b: [x, {c: 'y $${a} ${b}'}]}
  |       ^~
  = compute it where it is used, or in vars; a literal ${ is written $${

suite/orders.scenario.yaml:4:37: data rows are not computed, and this one holds ${…}  [invalid-value]
  |
4 |   - {"${k}": 1, b: [x, {c: 'y $${a} ${b}'}]}
  |                                     ^~
  = compute it where it is used, or in vars; a literal ${ is written $${
`},
		{"inline names, and a secret", "\n  - {password: hunter2, index: 1, \"\": 2}", `
suite/orders.scenario.yaml:3:25: a column cannot be called "index": row.index is the number of the row  [invalid-name]
  |
3 |   - {password: ***, index: 1, "": 2}
  |                         ^~~~~
  = give it another name

suite/orders.scenario.yaml:3:35: a column has no name  [invalid-name]
  |
3 |   - {password: ***, index: 1, "": 2}
  |                                   ^~
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := project(t, map[string]string{"suite/goon.csv": "x\n", "suite/folder.csv": "/"})
			outside := project(t, map[string]string{"rows.csv": "x\n1\n"})
			if err := os.Symlink(filepath.Join(outside, "rows.csv"), filepath.Join(folder, "suite", "link.csv")); err != nil {
				t.Fatal(err)
			}
			_, l, sources := openRows(t, folder, tt.data)
			got := strings.ReplaceAll(printed(t, l, sources), filepath.ToSlash(folder), "ROOT")
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), got); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOverrideErrors(t *testing.T) {
	tests := []struct{ name, path, want string }{
		{"no such file", "row.csv", "--data: no file \"row.csv\"  [bad-file]\n = did you mean rows.csv?\n"},
		{"no such folder", "gone/rows.csv", "--data: no file \"gone/rows.csv\"  [bad-file]\n = there is no folder \"ROOT/gone\"\n"},
		{"a folder", "folder.json", "--data: \"folder.json\" is not a file  [bad-file]\n = the rows are read twice, so a folder or a pipe will not do\n"},
		{"no rows", "rows.txt", "--data: \"rows.txt\" is no file of rows: want .csv, .json, .yaml or .yml  [bad-file]\n = a .csv file may have tabs or semicolons between its cells\n"},
		{"wrong rows", "rows.csv", "rows.csv:2:3: line 2 has 2 cells, want 1  [invalid-row]\n  |\n2 | 1,2\n  |   ^\n  = a cell that holds the separator stands in quotes: \"a,b\"\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := project(t, map[string]string{"rows.csv": "x\n1,2\n", "folder.json": "/"})
			sources := diag.Sources{}
			_, l := scenarios.OpenRows(nil, "", scenarios.RowOptions{Override: tt.path, WorkingFolder: folder, Sources: sources})
			got := strings.ReplaceAll(printed(t, l, sources), filepath.ToSlash(folder), "ROOT")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRowLimits: what is too much is told in few words, and soon.
func TestRowLimits(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"mistakes in a csv file", "a.csv", "a,b\n" + strings.Repeat("1\n", 100), "suite/a.csv: only 20 of the 100 mistakes in these rows are shown  [bad-file]"},
		{"mistakes in a json file", "a.json", "[" + strings.Repeat("1,", 100) + "1]", "suite/a.json: only 20 of the 101 mistakes in these rows are shown  [bad-file]"},
		{"keys in a json file", "a.json", "[{" + strings.Repeat(`"index":1,`, 1000) + `"":1}]`, "suite/a.json: only 20 of the 1001 mistakes in these rows are shown  [bad-file]"},
		{"mistakes in a yaml file", "a.yaml", strings.Repeat("- 1\n", 30), "suite/a.yaml: only 20 of the 30 mistakes in these rows are shown  [bad-file]"},
		{"columns of a csv file", "a.csv", "a" + strings.ReplaceAll(strings.ReplaceAll(manyColumns(16_384), "\"", ""), ":", "") + "\n", "suite/a.csv:1:1: the file has 16385 columns, want at most 16384  [too-large]"},
		{"columns of a json file", "a.json", "[{\"a\":1" + strings.ReplaceAll(manyColumns(16_384), ",", ",\n") + "}]", "suite/a.json:1:2: the rows have more than 16384 columns  [too-large]"},
		{"duplicate columns", "a.csv", "a" + strings.Repeat(",a", 16_383) + "\n", "suite/a.csv: only 20 of the 16383 mistakes in these rows are shown  [bad-file]"},
		{"a csv line", "a.csv", "a\n" + strings.Repeat("x", 4<<20+1) + "\n", "suite/a.csv:2:1: the row has more than 4194304 bytes (4 MiB)  [too-large]"},
		{"a quote", "a.csv", "a,b\n1,\"" + strings.Repeat("x\n", 2<<20) + "\n", "suite/a.csv:2:3: the quote that opens here is not closed within 4194304 bytes (4 MiB)  [invalid-row]"},
		{"a json row", "a.json", "[1,\n {\"a\":\"" + strings.Repeat("x", 4<<20) + "\"}]", "suite/a.json:2:2: the row has more than 4194304 bytes (4 MiB)  [too-large]"},
		{"levels", "a.json", `[{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + "}]", "suite/a.json:1:70: nested more than 64 levels deep  [too-large]"},
		{"a yaml file", "a.yaml", "- a: " + strings.Repeat("x", 4<<20) + "\n", "suite/a.yaml:1:1: the file has 4194310 bytes, want at most 4194304 (4 MiB)  [too-large]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, l, sources := rowsOf(t, tt.file, tt.text)
			if len(l) > 21 {
				t.Errorf("%d messages", len(l))
			}
			if l[len(l)-1].String() != tt.want && l[0].String() != tt.want {
				t.Errorf("got %s\nwant %s", l[len(l)-1], tt.want)
			}
			if out := printed(t, l, sources); len(out) > 10_000 {
				t.Errorf("%d bytes are printed", len(out))
			}
		})
	}
}

func manyColumns(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(",\"c" + strconv.Itoa(i) + "\":1")
	}
	return b.String()
}
