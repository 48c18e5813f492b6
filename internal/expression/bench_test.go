package expression_test

import (
	"testing"

	"iflowtest/internal/expression"
)

func benchmarkText(b *testing.B, text string) {
	tpl, problems := expression.CompileText(text, at, scope())
	if tpl == nil {
		b.Fatal(problems)
	}
	v := values()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tpl.Eval(v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvalConstant(b *testing.B)  { benchmarkText(b, "application/json") }
func BenchmarkEvalName(b *testing.B)      { benchmarkText(b, "${sku}") }
func BenchmarkEvalMember(b *testing.B)    { benchmarkText(b, "${order.lines[0].sku}") }
func BenchmarkEvalText(b *testing.B)      { benchmarkText(b, "/http/orders/${sku}?run=${run.id}") }
func BenchmarkEvalComputed(b *testing.B)  { benchmarkText(b, "${qty * 2 + 1}") }
func BenchmarkEvalPredicate(b *testing.B) { benchmarkText(b, "${filter(order.lines, .qty > 2)}") }

func benchmarkCompile(b *testing.B, text string) {
	s := scope()
	b.ReportAllocs()
	for b.Loop() {
		if tpl, problems := expression.CompileText(text, at, s); tpl == nil {
			b.Fatal(problems)
		}
	}
}

func BenchmarkCompileConstant(b *testing.B) { benchmarkCompile(b, "application/json") }
func BenchmarkCompileName(b *testing.B)     { benchmarkCompile(b, "${sku}") }
func BenchmarkCompileComputed(b *testing.B) { benchmarkCompile(b, "${qty * 2 + 1}") }
