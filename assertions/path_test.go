package assertions

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

const pathDocument = `{
  "name": {"first": "Tom", "last": "Anderson"},
  "age": 37,
  "children": ["Sara", "Alex", "Jack"],
  "fav.movie": "Deer Hunter",
  "a b": 1, "Total (EUR)": 2, "#text": 3, "@type": "T", "!x": 4, "$count": 5, "$": 6, "a[0]": 7, "": 8, "\\": 9,
  "empty": {"list": [], "object": {}, "text": "", "null": null},
  "embedded": "{\"id\":1}", "notJSON": "foo",
  "friends": [
    {"first": "Dale", "last": "Murphy", "age": 44, "nets": ["ig", "fb", "tw"]},
    {"first": "Roger", "last": "Craig", "age": 68, "nets": ["fb", "tw"]},
    {"first": "Jane", "last": "Murphy", "age": 47, "nets": ["ig", "tw"]}
  ],
  "matrix": [[1, 2], [3, [4]]],
  "twice": {"x": 1}, "twice": {"y": 2}, "twice": 3
}`

func TestPathFinds(t *testing.T) {
	if !gjson.Valid(pathDocument) {
		t.Fatal("the document is not JSON")
	}
	tests := []struct{ path, want string }{
		{"name.last", `"Anderson"`},
		{"name|last", `"Anderson"`},
		{"age", `37`},
		{"children.1", `"Alex"`},
		{"children.01", `"Alex"`},
		{"children.3", ``},
		{"children.-1", ``},
		{"children.first", ``},
		{"children.#", `3`},
		{"children|#", `3`},
		{"child*.2", `"Jack"`},
		{"c?ildren.0", `"Sara"`},
		{`fav\.movie`, `"Deer Hunter"`},
		{`a b`, `1`},
		{`Total (EUR)`, `2`},
		{`#text`, `3`},
		{`\@type`, `"T"`},
		{`\!x`, `4`},
		{`$count`, `5`},
		{`\$`, `6`},
		{`a\[0\]`, `7`},
		{`\\`, `9`},
		{"friends.#.age", `[44,68,47]`},
		{"friends.1.first", `"Roger"`},
		{`friends.#(last=="Murphy").first`, `"Dale"`},
		{`friends.#(last=="Murphy")#.first`, `["Dale","Jane"]`},
		{`friends.#(last="Murphy")#|0.first`, `"Dale"`},
		{`friends.#(last="Murphy")#|#`, `2`},
		{`friends.#(age>45)#.last`, `["Craig","Murphy"]`},
		{`friends.#(first%"D*").last`, `"Murphy"`},
		{`friends.#(first!%"D*").last`, `"Craig"`},
		{`friends.#(nets.#(=="fb"))#.first`, `["Dale","Roger"]`},
		{`friends.#[age<=44].first`, `"Dale"`},
		{`friends.#(missing==~null)#.age`, `[44,68,47]`},
		{`friends.#(age==99)#`, `[]`},
		{`friends.#(age==99)`, ``},
		{`children.#(!%"*a*")`, `"Alex"`},
		{`children.#(%"*a*")#`, `["Sara","Jack"]`},
		{"children.@reverse", `["Jack","Alex","Sara"]`},
		{"children.@reverse.0", `"Jack"`},
		{"children|@reverse|0", `"Jack"`},
		{`name.@keys`, `["first","last"]`},
		{`name.@pretty:{"sortKeys":true}|first`, `"Tom"`},
		{`matrix.@flatten:{"deep":true}`, `[1,2,3,4]`},
		{`[name.first,age]`, `["Tom",37]`},
		{`{name.first,"years":age,"works":!true}`, `{"first":"Tom","years":37,"works":true}`},
		{`name.{first,"l":last}.l`, `"Anderson"`},
		{`name.[first,last].1`, `"Anderson"`},
		{`!"text"`, `"text"`},
		{`!{"a":[1]}.a.0`, `1`},
		{`embedded.@fromstr.id`, `1`},
		{`notJSON.@fromstr`, ``},
		{`friends.@dig:last`, `["Murphy","Craig","Murphy"]`},
		{`empty.list.#.sku`, `[]`},
		{`empty.list.#`, `0`},
		{`empty.null`, `null`},
		{`empty.null.x`, ``},
		{`empty.text`, `""`},
		{`empty.text.x`, ``},
		{`empty.missing`, ``},
		{`age.x`, ``},
		{`matrix.1.1.0`, `4`},
		{`twice.x`, `1`},
		{`twice.y`, `2`},
		{`twice`, `{"x": 1}`},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			p, err := parsePath(tt.path)
			if err != nil {
				t.Fatalf("refused: %s", err.message)
			}
			if got := p.find(pathDocument); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := gjson.Get(pathDocument, tt.path).Raw; got != tt.want && !strings.Contains(tt.path, "@fromstr") {
				t.Errorf("gjson itself finds %s", got)
			}
		})
	}
	t.Run("together", func(t *testing.T) {
		var f finder
		var ids []int
		for _, tt := range tests {
			p, _ := parsePath(tt.path)
			ids = append(ids, f.add(p))
		}
		f.complete()
		found := f.find(pathDocument)
		for i, tt := range tests {
			if got := found[f.slots[ids[i]]]; got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.path, got, tt.want)
			}
		}
	})
	t.Run("within text", func(t *testing.T) {
		for _, path := range []string{"0", "#", "t.#", "t.0", "t.#.a", "*", "t.*", `t.#(a==1)`} {
			p, err := parsePath(path)
			if err != nil {
				t.Fatal(err.message)
			}
			if got := p.find(`"[0,{}]"`) + p.find(`{"t":"[0,{}]"}`); got != "" && path != "*" {
				t.Errorf("%s finds %s", path, got)
			}
		}
	})
	t.Run("whole", func(t *testing.T) {
		p, err := parsePath("@this")
		if err != nil {
			t.Fatal(err.message)
		}
		if got := p.find(pathDocument); got != pathDocument {
			t.Errorf("got %s", got)
		}
	})
}

func TestPathRefused(t *testing.T) {
	tests := []struct {
		path, message string
		hints         []string
		at            string // the part that is meant
	}{
		{"", "the path is empty", []string{`the whole document is "@this"`}, ""},
		{"a..b", `"a..b" has an empty component`, []string{`a dot in a name is written \.`}, "."},
		{".a", `".a" has an empty component`, []string{`a dot in a name is written \.`}, "."},
		{"a.|b", `"a.|b" has an empty component`, []string{`a dot in a name is written \.`}, "|"},
		{"a.", `"a." ends with a "." and has no name behind it`, nil, "."},
		{"a|", `"a|" ends with a "|" and has no name behind it`, nil, "|"},
		{"lines[0].sku", `"lines[0].sku" has an index in brackets; did you mean lines.0.sku?`, nil, "lines[0].sku"},
		{"lines[*].sku", `"lines[*].sku" has an index in brackets; did you mean lines.#.sku?`, nil, "lines[*].sku"},
		{"lines.[0].sku", `"lines.[0].sku" has an index in brackets; did you mean lines.0.sku?`, nil, "[0]"},
		{"lines['a.b']", `"lines['a.b']" has an index in brackets; did you mean lines.a\.b?`, nil, "lines['a.b']"},
		{"$", `"$" is JSONPath; paths here are gjson's; did you mean "@this"?`, nil, "$"},
		{"$.a[0].b", `"$.a[0].b" is JSONPath; paths here are gjson's; did you mean a.0.b?`, nil, "$.a[0].b"},
		{"$['a']", `"$['a']" is JSONPath; paths here are gjson's; did you mean a?`, nil, "$['a']"},
		{"$..sku", `"$..sku" is JSONPath; paths here are gjson's; did you mean "@dig:sku"?`, nil, "$..sku"},
		{"$.a[?(@.b==1)]", `"$.a[?(@.b==1)]" is JSONPath; paths here are gjson's`, nil, "$.a[?(@.b==1)]"},
		{"a[0", `"a[0" has a '[' within a name`, []string{"a bracket in a name is written with a backslash before it"}, "["},
		{"a.b}", `"a.b}" has a '}' within a name`, []string{"a bracket in a name is written with a backslash before it"}, "}"},
		{"items.#(sku", `the query "#(sku" is not closed`, []string{`a query is written #(name=="value") or, for all matches, #(name=="value")#`}, "#(sku"},
		{`items.#(sku=="a)`, `the query "#(sku==\"a)" is not closed`, []string{`a query is written #(name=="value") or, for all matches, #(name=="value")#`}, `#(sku=="a)`},
		{"items.#()", `"items.#()" has an empty query`, []string{"the number of elements is #, each of them is #.name"}, "#()"},
		{"items.#(a==)", `"items.#(a==)" compares with nothing`, []string{`empty text is written ""`}, ""},
		{"items.#(a=='x')", `text in a query has double quotes: "items.#(a=='x')"`, nil, "'x'"},
		{"items.#(a==1 && b==2)", `a query has one comparison, found "1 && b==2"`, []string{"for both, put one behind the other: #(a==1)#|#(b==2)"}, "1 && b==2"},
		{`items.#(a=="1" && b==2)`, `a query has one comparison, found "\"1\" && b==2"`, []string{"for both, put one behind the other: #(a==1)#|#(b==2)"}, `"1" && b==2`},
		{"items.#(a===1)", `unknown comparison in "items.#(a===1)": want one of = == != < <= > >= % !%`, nil, "==1"},
		{"items.#(a!1)", `unknown comparison in the query "a!1": want one of = == != < <= > >= % !%`, nil, "!1"},
		{"items.#(a==~x)", `unknown "~x" in a query: want ~true, ~false, ~null or ~*`, nil, "~x"},
		{"items.#(a..b==1)", `"items.#(a..b==1)" has an empty component`, []string{`a dot in a name is written \.`}, "."},
		{"items.#(a==1)b", `want . or | behind "#(a==1)", found "b"`, nil, "b"},
		{"items.@revers", `unknown modifier "@revers"; did you mean "@reverse"?`, []string{`a name that begins with @ is written \@revers`}, "@revers"},
		{"@type", `unknown modifier "@type"`, []string{`a name that begins with @ is written \@type`}, "@type"},
		{"a.@pretty:", `"a.@pretty:" has a modifier with a colon and no argument`, nil, ":"},
		{"a.@pretty:{x}", `the argument "{x}" of a modifier is not JSON`, nil, "{x}"},
		{"@dig:a..b", `"@dig:a..b" has an empty component`, []string{`a dot in a name is written \.`}, "."},
		{"[a,b", `'[' is not closed in "[a,b"`, nil, "[a,b"},
		{"[a,,b]", `"[a,,b]" has an empty path between its brackets`, nil, ",,"},
		{"{}", `"{}" has an empty path between its brackets`, nil, "{}"},
		{"{a,b}c", `want . or | behind "{a,b}", found "c"`, nil, "c"},
		{"{a,b[0]}", `"{a,b[0]}" has an index in brackets; did you mean {a,b.0}?`, nil, "b[0]}"},
		{"!foo", `"!foo" is not a literal: want ! and a JSON value behind it`, []string{`a name that begins with ! is written \!`}, "!foo"},
		{`a."b.c".d`, `names in a path have no quotes: "a.\"b.c\".d"`, []string{`did you mean a.b\.c.d?`}, `"b.c"`},
		{`a."b`, `the quote in "a.\"b" is not closed`, []string{`a quote in a name is written \"`}, `"b`},
		{`a\`, `"a\\" ends with a backslash and nothing to escape`, nil, `\`},
		{"ä..b", `"ä..b" has an empty component`, []string{`a dot in a name is written \.`}, "."},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			c := newCompiler(Options{})
			if c.path(tt.path, 7, "json") != nil {
				t.Fatal("accepted")
			}
			p := c.problems[0]
			if p.Code != "invalid-path" || p.Place != 7 {
				t.Errorf("code %q at %d", p.Code, p.Place)
			}
			if d := cmp.Diff("json: "+tt.message, p.Message); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.hints, p.Hints); d != "" {
				t.Error(d)
			}
			runes := []rune(tt.path)
			if got := string(runes[p.Offset : p.Offset+p.Width]); got != tt.at {
				t.Errorf("points at %q, want %q", got, tt.at)
			}
		})
	}
}
