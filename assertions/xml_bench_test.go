package assertions

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
)

// largeXML is an answer of about 5 MB.
func largeXML() string {
	var s strings.Builder
	s.WriteString(`<?xml version="1.0" encoding="UTF-8"?><o:Orders xmlns:o="urn:orders"><o:Header><o:Id>H-1</o:Id></o:Header>`)
	for i := 0; s.Len() < 5_000_000; i++ {
		fmt.Fprintf(&s, `
  <o:Line no="%d"><o:Sku>A-%06d</o:Sku><o:Text lang="de">Sechskantschraube M8 × 40, verzinkt &amp; gehärtet</o:Text><o:Price currency="EUR">%d.%02d</o:Price></o:Line>`,
			i, i, i%1000, i%100)
	}
	s.WriteString("\n<o:Done>true</o:Done></o:Orders>")
	return s.String()
}

const largeXPaths = `
namespaces: {p: "urn:orders"}
xml:
  /p:Orders/p:Header/p:Id: H-1
  /p:Orders/p:Line[20000]/p:Sku: A-019999
  //p:Line[@no='15000']/p:Price/@currency: EUR
  count(//p:Line): {gt: 1000}
  //p:Done: true
`

// BenchmarkLargeXML asserts five XPaths on 5 MB; the floor beside it parses
// them with encoding/xml alone.
func BenchmarkLargeXML(b *testing.B) {
	body := largeXML()
	e := mustCompile(b, largeXPaths)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if f := e.Check(&Result{Body: body}, nil); f != nil {
			b.Fatal(f)
		}
	}
}

// BenchmarkLargeXMLFloor is the floor of BenchmarkLargeXML.
func BenchmarkLargeXMLFloor(b *testing.B) {
	body := largeXML()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		d := xml.NewDecoder(strings.NewReader(body))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkLargeXMLParse is the part of it that makes the tree.
func BenchmarkLargeXMLParse(b *testing.B) {
	body := largeXML()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, m := parseXML(body); m != nil {
			b.Fatal(m)
		}
	}
}
