package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"iflowtest/internal/report"
	"iflowtest/runner"
)

// selectionFlags choose what runs; run and plan have them.
type selectionFlags struct {
	tags, name  string
	data        string
	rerunFailed []string
	shard       string
	durations   []string
	seed        int64
	allowEmpty  bool
	flags       *pflag.FlagSet // that they belong to
}

func (f *selectionFlags) add(flags *pflag.FlagSet) {
	f.flags = flags
	flags.StringVar(&f.tags, "tags", "", "run only scenarios whose tags fit, e.g. 'smoke && !slow'; a comma is ||")
	flags.StringVar(&f.name, "name", "", "run only scenarios whose name matches this regular expression")
	flags.StringVar(&f.data, "data", "", "rows from this file, in place of the scenarios' own data")
	flags.StringArrayVar(&f.rerunFailed, "rerun-failed", nil, "run only what did not pass in this recorded run (JSON lines; may be repeated)")
	flags.StringVar(&f.shard, "shard", "", "run one of several parts: 2/5, or auto from what GitLab, CircleCI, Buildkite or a Kubernetes Indexed Job sets (auto/5 where the count is not set)")
	flags.StringArrayVar(&f.durations, "durations", nil, "balance --shard by the durations of this recorded run (JSON lines; may be repeated)")
	flags.Int64Var(&f.seed, "seed", 0, "shuffle the scenarios; the same number gives the same order (default: the order of the files)")
	flags.BoolVar(&f.allowEmpty, "allow-empty", false, "exit with 0 when no scenario is there or none matches")
}

// empty reports flags that were given without a value, as an unset variable of
// a script does: nothing would be selected by them, in silence.
func (f *selectionFlags) empty() error {
	for _, name := range []string{"data", "shard"} {
		if flag := f.flags.Lookup(name); flag.Changed && flag.Value.String() == "" {
			return usage("--%s has no value", name)
		}
	}
	if f.flags.Changed("seed") && f.seed == 0 {
		return usage("--seed 0: another number is wanted; without --seed the order is that of the files")
	}
	return nil
}

// selection turns the flags into options of the runner.
func (p *program) selection(f *selectionFlags, o *runner.Options) error {
	o.Tags, o.Name, o.Seed = f.tags, f.name, f.seed
	if err := f.empty(); err != nil {
		return err
	}
	var err error
	if f.data != "" {
		if o.Data, err = filepath.Abs(f.data); err != nil {
			return usage("--data %s: %s", f.data, plain(err))
		}
		o.DataShown = f.data
		if _, err := os.Stat(o.Data); err != nil {
			return usage("--data %s: %s", f.data, plain(err))
		}
	}
	if o.Shard, err = p.parseShard(f.shard); err != nil {
		return err
	}
	if len(f.durations) > 0 && f.shard == "" {
		return usage("--durations balances shards, and there is no --shard")
	}
	recorded := report.RecordedOptions{Warn: p.warn, Clean: p.redactor.Text, Version: version()}
	if len(f.durations) > 0 {
		durations, err := report.Durations(f.durations, recorded)
		if err != nil {
			return recordedProblem("--durations", err)
		}
		o.Shard.Durations = convert(durations)
	}
	if len(f.rerunFailed) == 0 {
		return nil
	}
	failed, err := report.Failed(f.rerunFailed, recorded)
	if err != nil {
		return recordedProblem("--rerun-failed", err)
	}
	if len(failed) == 0 {
		p.warn("--rerun-failed: everything passed in the recorded run")
	}
	o.Failed = []runner.Identity{}
	for _, id := range failed {
		o.Failed = append(o.Failed, identity(id))
	}
	return nil
}

// recordedProblem is a recorded run that cannot be read: wrong usage when it
// is not there, else an invalid file.
func recordedProblem(flag string, err error) error {
	e, ok := errors.AsType[*report.RecordedError](err)
	switch {
	case !ok:
		return &exitError{status: runner.ExitInvalid, message: flag + ": " + err.Error()}
	case e.Absent:
		return usage("%s %s", flag, e)
	}
	return &exitError{status: runner.ExitInvalid, message: fmt.Sprintf("%s %s", flag, e)}
}

func convert[V any](m map[report.ScenarioIdentity]V) map[runner.Identity]V {
	out := make(map[runner.Identity]V, len(m))
	for id, v := range m {
		out[identity(id)] = v
	}
	return out
}

// identity is that of the runner.
func identity(id report.ScenarioIdentity) runner.Identity {
	return runner.Identity{File: id.File, Document: id.Document, Scenario: id.Scenario, Row: id.Row, Run: id.Run}
}

// warn tells something on standard error that stops nothing.
func (p *program) warn(message string) {
	fmt.Fprintf(p.err, "iflowtest: %s\n", message)
}

// parseShard reads --shard: INDEX/COUNT, auto or auto/COUNT.
func (p *program) parseShard(s string) (runner.Shard, error) {
	if s == "" {
		return runner.Shard{}, nil
	}
	index, count, both := strings.Cut(s, "/")
	if index == "auto" {
		return p.shardOfCI(count)
	}
	shard := runner.Shard{}
	var err, err2 error
	shard.Index, err = strconv.Atoi(index)
	shard.Count, err2 = strconv.Atoi(count)
	if !both || err != nil || err2 != nil {
		return shard, usage("--shard %q: want INDEX/COUNT such as 2/5, or auto", s)
	}
	if shard.Count < 1 || shard.Index < 1 || shard.Index > shard.Count {
		return shard, usage("--shard %q: want an index from 1 to the count, such as 2/5", s)
	}
	return shard, nil
}

// shardOfCI reads what CI systems set for jobs that run side by side: GitLab
// counts from 1, CircleCI, Buildkite and Kubernetes from 0. Kubernetes sets no
// count.
func (p *program) shardOfCI(count string) (runner.Shard, error) {
	for _, ci := range []struct {
		index, count string
		first        int
	}{
		{"CI_NODE_INDEX", "CI_NODE_TOTAL", 1},
		{"CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0},
		{"BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0},
		{"JOB_COMPLETION_INDEX", "", 0},
	} {
		index, ok := p.getenv(ci.index)
		if !ok || index == "" {
			continue
		}
		total := count
		from := "--shard auto/" + count
		if total == "" && ci.count != "" {
			total, _ = p.getenv(ci.count)
			from = ci.count + "=" + total
		}
		if total == "" {
			return runner.Shard{}, usage("--shard auto: %s is set to %s, and nothing says of how many; write auto/COUNT", ci.index, index)
		}
		i, err := strconv.Atoi(index)
		n, err2 := strconv.Atoi(total)
		i += 1 - ci.first
		if err != nil || err2 != nil || n < 1 || i < 1 || i > n {
			return runner.Shard{}, usage("--shard auto: %s=%s and %s do not name a shard", ci.index, index, from)
		}
		return runner.Shard{Index: i, Count: n}, nil
	}
	return runner.Shard{}, usage("--shard auto: none of CI_NODE_INDEX (GitLab), CIRCLE_NODE_INDEX, BUILDKITE_PARALLEL_JOB and JOB_COMPLETION_INDEX (Kubernetes) is set; write INDEX/COUNT, such as 2/5")
}
