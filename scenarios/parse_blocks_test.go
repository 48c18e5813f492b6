package scenarios

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dump writes a tree with every place and type.
func dump(b *strings.Builder, n *Node, indent string) {
	if n == nil {
		b.WriteString(indent + "nil\n")
		return
	}
	fmt.Fprintf(b, "%s%d %q %v %d\n", indent, n.Kind, n.Text, n.Pos(), n.style)
	for _, item := range n.Items() {
		dump(b, item, indent+" - ")
	}
	for _, e := range n.Entries() {
		dump(b, e.Key, indent+" k ")
		dump(b, e.Value, indent+" v ")
	}
}

func dumped(data []byte, limits blockLimits) string {
	var b strings.Builder
	src, docs, l := parseWith("f.yaml", data, limits)
	for _, d := range docs {
		fmt.Fprintf(&b, "document %d %d %d\n", d.index, d.start, d.end)
		dump(&b, d.root, "")
	}
	for _, d := range l {
		fmt.Fprintf(&b, "%v\n", d)
	}
	fmt.Fprintf(&b, "%d lines\n", len(src.lines))
	return b.String()
}

// TestBlocks reads every file of the tests in blocks of a line, and at once:
// trees, places and mistakes are the same.
func TestBlocks(t *testing.T) {
	whole := blockLimits{fromLines: 1 << 30}
	inBlocks := 0
	for _, folder := range []string{"err", "ok"} {
		files, err := filepath.Glob(filepath.Join("..", "testdata", "language", folder, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(dumped(data, whole), dumped(data, blockLimits{lines: 1})); diff != "" {
				t.Errorf("%s (-at once +in blocks):\n%s", file, diff)
			}
			src, text, _ := newSource(file, data)
			if text != nil {
				if _, ok := readBlocks(src, text, blockLimits{lines: 1}); ok {
					inBlocks++
				}
			}
		}
	}
	if inBlocks < 10 {
		t.Errorf("only %d files were read in blocks", inBlocks)
	}
}

func TestBlocksOfText(t *testing.T) {
	for _, text := range []string{
		"name: A\nsteps:\n- wait: 1s\n- wait: 2s\ncleanup:\n  - wait: 3s\n# end\n",
		"name: A\nsteps:\n  - call:\n      body: |\n        - no item\n      x: \"a\n  - b\"\n  - wait: 1s\n",
		"name: A\nsteps:\n  - a: 1\n\n  # between\n  - b: 2\ntags: [x]\n",
		"steps:\n  - a: |\n      text\n\n  - b: >\n      folded\n      more\nname: A\n",
		"name: A\nsteps:\n  - a: 1\n - b: 2\n",
		"name: A\nsteps:\n  - a: 1\n   - b: 2\n",
		"name: A\nsteps: # why\n  - a: 1\n",
		"name: A\nsteps:\n  - a: 1\nsteps:\n  - b: 2\n",
		"name: A\nsteps:\n  -\n    a: 1\n  - - b\n",
		"name: A\nvars:\n  x: |\n    steps:\n      - a\nsteps:\n  - b: 2\n",
		"name: \"A\nsteps:\n  - a: 1\n\"\n",
		"{name: A,\nsteps:\n  - a\n}\n",
	} {
		if diff := cmp.Diff(dumped([]byte(text), blockLimits{fromLines: 1 << 30}), dumped([]byte(text), blockLimits{lines: 1})); diff != "" {
			t.Errorf("%q (-at once +in blocks):\n%s", text, diff)
		}
	}
}

// FuzzBlocks reads texts at once and in blocks.
func FuzzBlocks(f *testing.F) {
	f.Add("name: A\nsteps:\n- wait: 1s\n- wait: 2s\ncleanup:\n  - wait: 3s\n")
	f.Add("name: A\nsteps:\n  - a: |\n      - text\n  - b: 'x\n  - y'\n")
	f.Add("name: A\nsteps:\n  - a: 1\n x\n")
	f.Fuzz(func(t *testing.T, text string) {
		if diff := cmp.Diff(dumped([]byte(text), blockLimits{fromLines: 1 << 30}), dumped([]byte(text), blockLimits{lines: 1})); diff != "" {
			t.Errorf("(-at once +in blocks):\n%s", diff)
		}
	})
}
