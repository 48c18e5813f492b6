package assertions

import (
	"math"
	"strings"
	"unicode/utf8"
)

// xpathFunction is a function of the core library, section 4.
type xpathFunction struct {
	name     string
	kind     xpathType
	min, max int
	// ofNodes says that its argument is a path.
	ofNodes bool
	// positional says that it asks where the node stands; atNode, that it asks
	// for the node.
	positional, atNode bool
	eval               func(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue
}

const manyArguments = math.MaxInt

// xpathFunctions are the functions of the core library but id, which needs a
// document type.
func xpathFunctions() []xpathFunction {
	return []xpathFunction{
		{name: "last", kind: xpathFloat, positional: true, atNode: true, eval: func(_ *xpathRun, at xpathContext, _ []xpathTerm) xpathValue { return floatValue(float64(at.size)) }},
		{name: "position", kind: xpathFloat, positional: true, atNode: true, eval: func(_ *xpathRun, at xpathContext, _ []xpathTerm) xpathValue { return floatValue(float64(at.position)) }},
		{name: "count", kind: xpathFloat, min: 1, max: 1, ofNodes: true, eval: func(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
			v := args[0].eval(r, at)
			return floatValue(float64(len(v.nodes.refs)))
		}},
		{name: "sum", kind: xpathFloat, min: 1, max: 1, ofNodes: true, eval: sumOf},
		{name: "local-name", kind: xpathString, max: 1, ofNodes: true, eval: ofName(func(n *xmlName) string { return n.local })},
		{name: "namespace-uri", kind: xpathString, max: 1, ofNodes: true, eval: ofName(func(n *xmlName) string { return n.space })},
		{name: "name", kind: xpathString, max: 1, ofNodes: true, eval: ofName((*xmlName).qualified)},
		{name: "string", kind: xpathString, max: 1, eval: ofText(stringValue)},
		{name: "number", kind: xpathFloat, max: 1, eval: func(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
			v := r.argument(at, args)
			return floatValue(r.floatOf(&v))
		}},
		{name: "string-length", kind: xpathFloat, max: 1, eval: ofText(func(s string) xpathValue { return floatValue(float64(utf8.RuneCountInString(s))) })},
		{name: "normalize-space", kind: xpathString, max: 1, eval: ofText(func(s string) xpathValue { return stringValue(strings.Join(xmlFields(s), " ")) })},
		{name: "concat", kind: xpathString, min: 2, max: manyArguments, eval: concatenated},
		{name: "starts-with", kind: xpathBoolean, min: 2, max: 2, eval: ofTexts(func(s, t string) xpathValue { return truthValue(strings.HasPrefix(s, t)) })},
		{name: "contains", kind: xpathBoolean, min: 2, max: 2, eval: ofTexts(func(s, t string) xpathValue { return truthValue(strings.Contains(s, t)) })},
		{name: "substring-before", kind: xpathString, min: 2, max: 2, eval: ofTexts(func(s, t string) xpathValue {
			before, _, ok := strings.Cut(s, t)
			if !ok {
				return stringValue("")
			}
			return stringValue(before)
		})},
		{name: "substring-after", kind: xpathString, min: 2, max: 2, eval: ofTexts(func(s, t string) xpathValue {
			_, after, _ := strings.Cut(s, t)
			return stringValue(after)
		})},
		{name: "substring", kind: xpathString, min: 2, max: 3, eval: substring},
		{name: "translate", kind: xpathString, min: 3, max: 3, eval: translated},
		{name: "boolean", kind: xpathBoolean, min: 1, max: 1, eval: func(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
			return truthValue(r.truth(args[0], at))
		}},
		{name: "not", kind: xpathBoolean, min: 1, max: 1, eval: func(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
			return truthValue(!r.truth(args[0], at))
		}},
		{name: "true", kind: xpathBoolean, eval: func(*xpathRun, xpathContext, []xpathTerm) xpathValue { return truthValue(true) }},
		{name: "false", kind: xpathBoolean, eval: func(*xpathRun, xpathContext, []xpathTerm) xpathValue { return truthValue(false) }},
		{name: "lang", kind: xpathBoolean, min: 1, max: 1, atNode: true, eval: inLanguage},
		{name: "floor", kind: xpathFloat, min: 1, max: 1, eval: ofNumber(math.Floor)},
		{name: "ceiling", kind: xpathFloat, min: 1, max: 1, eval: ofNumber(math.Ceil)},
		{name: "round", kind: xpathFloat, min: 1, max: 1, eval: ofNumber(xpathRound)},
	}
}

// argument gives the first argument, or the node itself.
func (r *xpathRun) argument(at xpathContext, args []xpathTerm) xpathValue {
	if len(args) > 0 {
		return args[0].eval(r, at)
	}
	return stringValue(r.textOf(at.node))
}

func (r *xpathRun) text(t xpathTerm, at xpathContext) string {
	v := t.eval(r, at)
	return r.stringOf(&v)
}

type xpathEval = func(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue

func ofText(f func(string) xpathValue) xpathEval {
	return func(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
		v := r.argument(at, args)
		return f(r.stringOf(&v))
	}
}

func ofTexts(f func(s, t string) xpathValue) xpathEval {
	return func(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
		return f(r.text(args[0], at), r.text(args[1], at))
	}
}

func ofNumber(f func(float64) float64) xpathEval {
	return func(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
		v := args[0].eval(r, at)
		return floatValue(f(r.floatOf(&v)))
	}
}

// ofName gives something of the name of the first node; text, comments and the
// document have none.
func ofName(f func(*xmlName) string) xpathEval {
	return func(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
		ref := at.node
		if len(args) > 0 {
			v := args[0].eval(r, at)
			if len(v.nodes.refs) == 0 {
				return stringValue("")
			}
			ref = v.nodes.refs[0]
		}
		if ref.attr >= 0 {
			return stringValue(f(&r.tree.names[r.tree.attrs[ref.attr].name]))
		}
		return stringValue(f(r.tree.nameOf(ref.node)))
	}
}

func sumOf(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
	v := args[0].eval(r, at)
	total := 0.0
	for _, ref := range v.nodes.refs {
		total += parseXPathNumber(r.textOf(ref))
	}
	return floatValue(total)
}

// maxXPathText bounds the text that an expression makes.
const maxXPathText = 64 << 20

func concatenated(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
	var b strings.Builder
	for _, a := range args {
		s := r.text(a, at)
		r.spend(len(s) / 16)
		b.WriteString(s)
		if b.Len() > maxXPathText {
			panic(tooManyMoves{})
		}
	}
	return stringValue(b.String())
}

// xmlFields splits text at what is whitespace in XML.
func xmlFields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(xmlBlanks, r) })
}

// substring counts characters from 1; its numbers are rounded, section 4.2.
func substring(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
	s := r.text(args[0], at)
	v := args[1].eval(r, at)
	from := xpathRound(r.floatOf(&v))
	to := math.Inf(1)
	if len(args) > 2 {
		v := args[2].eval(r, at)
		to = from + xpathRound(r.floatOf(&v))
	}
	var b strings.Builder
	position := 0.0
	for _, c := range s {
		position++
		if position >= from && position < to {
			b.WriteRune(c)
		}
	}
	return stringValue(b.String())
}

func translated(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
	s, from, to := r.text(args[0], at), []rune(r.text(args[1], at)), []rune(r.text(args[2], at))
	becomes := make(map[rune]rune, len(from))
	for i, c := range from {
		if _, again := becomes[c]; again {
			continue
		}
		becomes[c] = -1 // removed by strings.Map
		if i < len(to) {
			becomes[c] = to[i]
		}
	}
	return stringValue(strings.Map(func(c rune) rune {
		if other, ok := becomes[c]; ok {
			return other
		}
		return c
	}, s))
}

// inLanguage is lang(): whether xml:lang of the node or of the nearest element
// around it that has one is the language, or one of its kinds.
func inLanguage(r *xpathRun, at xpathContext, args []xpathTerm) xpathValue {
	wanted := strings.ToLower(r.text(args[0], at))
	for id := at.node.node; id > 0; id = r.tree.nodes[id].parent {
		r.spend(1)
		n := &r.tree.nodes[id]
		for _, a := range r.tree.attrs[n.attrFrom:n.attrTo] {
			if name := &r.tree.names[a.name]; name.local == "lang" && name.space == xmlSpace {
				lang := strings.ToLower(a.value)
				return truthValue(lang == wanted || strings.HasPrefix(lang, wanted+"-"))
			}
		}
	}
	return truthValue(false)
}

// xpathRound rounds to the nearest whole number, and a half upwards.
func xpathRound(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return f
	}
	whole := math.Floor(f)
	if f-whole >= 0.5 {
		whole++
	}
	return whole
}
