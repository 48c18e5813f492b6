package runner

import "iflowtest/scenarios"

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
