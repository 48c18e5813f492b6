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

// text, boolean, anything, mapOf, listOf and enum are the shapes that bodies
// are made of.
func text() scenarios.Shape     { return scenarios.Shape{Type: scenarios.TextType} }
func boolean() scenarios.Shape  { return scenarios.Shape{Type: scenarios.BoolType} }
func anything() scenarios.Shape { return scenarios.Shape{Type: scenarios.Any} }

func mapOf(s scenarios.Shape) scenarios.Shape {
	return scenarios.Shape{Type: scenarios.MapType, Elem: &s}
}

func listOf(s scenarios.Shape) scenarios.Shape {
	return scenarios.Shape{Type: scenarios.ListType, Elem: &s}
}

func enum(values ...string) scenarios.Shape {
	return scenarios.Shape{Type: scenarios.EnumType, Enum: values, Constant: true}
}

// titleOf names a step by its kind and one of its keys.
func titleOf(kind string, body *scenarios.Node, key string) string {
	if n := body.Get(key); n != nil && n.Text != "" {
		return kind + " " + n.Text
	}
	return kind
}
