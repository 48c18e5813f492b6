package runner

import "iflowtest/scenarios"

func includeKind() Kind {
	return Kind{
		Name:    "include",
		Summary: "run the steps of another file",
		Doc: "An included file has `steps`, and may have `params`, `credentials` and `cleanup`; its captures and credentials become\n" +
			"visible. `once: true` runs it once per run.",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "file", Shape: text(), Required: true, Doc: "the file, relative to the one it is named in"},
			{Name: "with", Shape: mapOf(anything()), Doc: "values for the params of the file"},
			{Name: "once", Shape: boolean(), Default: "false", Doc: "run it once per run, the first to come; the others see its captures"},
		}},
		title: func(body *scenarios.Node) string { return titleOf("include", body, "file") },
	}
}
