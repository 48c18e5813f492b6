package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// guideBlock is a block of a guide.
type guideBlock struct {
	line       int
	info, text string
}

// guideBlocks gives the fenced blocks of a page.
func guideBlocks(t *testing.T, page string) []guideBlock {
	t.Helper()
	var blocks []guideBlock
	inside := false
	for i, line := range strings.SplitAfter(page, "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !inside:
			blocks = append(blocks, guideBlock{line: i + 1, info: strings.TrimSpace(info)})
			inside = true
		case fence:
			inside = false
		case inside:
			blocks[len(blocks)-1].text += line
		}
	}
	if inside {
		t.Fatalf("the block at line %d is not closed", blocks[len(blocks)-1].line)
	}
	return blocks
}

// exitComment says which exit status a command of a guide ends with.
var exitComment = regexp.MustCompile(`# exit status (\d+)`)

// guide is a guide that is being followed, in a folder of its own.
type guide struct {
	t *testing.T
	// out is what the last command printed, and runs the files that commands
	// named.
	out   string
	runs  []string
	files []string
}

// follow does what a block says.
func (g *guide) follow(b guideBlock) error {
	switch b.info {
	case "yaml":
		first, _, _ := strings.Cut(b.text, "\n")
		file, ok := strings.CutPrefix(first, "# ")
		if !ok || filepath.Ext(file) != ".yaml" {
			return fmt.Errorf("the block does not begin with the name of its file: %q", first)
		}
		write(g.t, file, b.text)
		g.files = append(g.files, file)
		return nil
	case "sh":
		for line := range strings.Lines(b.text) {
			if err := g.command(strings.TrimSpace(line)); err != nil {
				return err
			}
		}
		return nil
	case "text":
		for line := range strings.Lines(b.text) {
			if err := g.shows(strings.TrimSpace(line)); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("nobody runs a block of kind %q", b.info)
}

// command runs a command line.
func (g *guide) command(line string) error {
	want := 0
	if found := exitComment.FindStringSubmatch(line); found != nil {
		want, _ = strconv.Atoi(found[1])
	}
	line, _, _ = strings.Cut(line, "#")
	args := strings.Fields(line)
	if len(args) < 2 || args[0] != "iflowtest" {
		return fmt.Errorf("no command of iflowtest: %q", line)
	}
	status, out, log := invoke(g.t, args[1:]...)
	g.out = out + log
	for _, arg := range args[2:] {
		if filepath.Ext(arg) == ".yaml" {
			g.runs = append(g.runs, arg)
		}
	}
	if status != want {
		return fmt.Errorf("%s: exit status %d, want %d\n%s", line, status, want, g.out)
	}
	return nil
}

// shows looks for a line in what the last command printed; … stands for
// anything.
func (g *guide) shows(line string) error {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*")
	if line != "" && !regexp.MustCompile(pattern).MatchString(g.out) {
		return fmt.Errorf("the command does not print %q but\n%s", line, g.out)
	}
	return nil
}

// TestGuides follows every guide: its files are written, its commands run in
// order, and they print what it shows.
func TestGuides(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "guide-*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatal("there is no guide", err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Chdir(t.TempDir())
			g := &guide{t: t}
			for _, b := range guideBlocks(t, string(text)) {
				if err := g.follow(b); err != nil {
					t.Errorf("%s:%d: %s", filepath.Base(page), b.line, err)
				}
			}
			for _, file := range g.files {
				if strings.HasPrefix(file, "scenarios/") && !slices.Contains(g.runs, file) {
					t.Errorf("no command runs %s", file)
				}
			}
		})
	}
}

// TestGuideTells: a guide that is wrong is noticed.
func TestGuideTells(t *testing.T) {
	t.Chdir(t.TempDir())
	g := &guide{t: t}
	for _, b := range []guideBlock{
		{1, "yaml", "name: no file\n"},
		{1, "json", "{}"},
		{1, "sh", "rm -rf x\n"},
		{1, "sh", "iflowtest version # exit status 7\n"},
		{1, "text", "never printed\n"},
	} {
		if g.follow(b) == nil {
			t.Errorf("%q passes", b.text)
		}
	}
}
