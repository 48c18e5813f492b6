package iflow

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/big"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"iflowtest/internal/sandbox/messagelog"
)

// firstOrder is the number of the first order after the start.
const firstOrder = 4711

// Limits of an order.
const (
	maxLines = 1000
	maxQty   = 1_000_000
	maxPrice = 100_000_000_00 // cents
)

// order is what both order flows answer with. Amounts have two decimals.
type order struct {
	XMLName  xml.Name `json:"-" xml:"order"`
	ID       string   `json:"id" xml:"id"`
	Customer string   `json:"customer,omitempty" xml:"customer,omitempty"`
	Currency string   `json:"currency" xml:"currency"`
	Lines    []line   `json:"lines" xml:"lines>line"`
	Total    cents    `json:"total" xml:"total"`
}

type line struct {
	SKU    string `json:"sku" xml:"sku"`
	Qty    int64  `json:"qty" xml:"qty"`
	Price  cents  `json:"price" xml:"price"`
	Amount cents  `json:"amount" xml:"amount"`
}

// cents is an amount of money; it is written with two decimals.
type cents int64

func (c cents) String() string { return fmt.Sprintf("%d.%02d", int64(c)/100, int64(c)%100) }

// MarshalJSON writes a JSON number.
func (c cents) MarshalJSON() ([]byte, error) { return []byte(c.String()), nil }

// MarshalText is the form in XML.
func (c cents) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// problem is one thing that is wrong with an order.
type problem struct {
	Field  string `json:"field" xml:"field"`
	Reason string `json:"reason" xml:"reason"`
}

// rejection is the answer to an order that is not valid.
type rejection struct {
	XMLName xml.Name `json:"-" xml:"error"`
	Error   string   `json:"error" xml:"message"`
	// Reason is the first of the problems, as one sentence.
	Reason  string    `json:"reason" xml:"reason"`
	Details []problem `json:"details" xml:"details>detail"`
}

// draft is an order as it was sent, every value still as its text.
type draft struct {
	customer string
	lines    []draftLine
	problems []problem
}

type draftLine struct {
	field           string // before the names of its members
	sku, qty, price string
}

func (d *draft) wrong(field, format string, args ...any) {
	d.problems = append(d.problems, problem{field, fmt.Sprintf(format, args...)})
}

// orderJSON takes {"sku": "A-100", "qty": 2}, or
// {"customer": "ACME", "lines": [{"sku": "A-100", "qty": 2, "price": 9.5}]}
// where customer and price may be left out, and answers the order with id,
// lines and total, and the same once more under "order". An order that is not
// valid is answered with 400 and a rejection.
func (rt *Runtime) orderJSON(_ context.Context, m *Message) Answer {
	d := readJSON(m.Body)
	o := rt.accept(d)
	if o == nil {
		return answerOrder(jsonAnswer(http.StatusBadRequest, d.reject()), m, nil)
	}
	return answerOrder(jsonAnswer(http.StatusOK, struct {
		*order
		Order *order `json:"order"`
	}{o, o}), m, o)
}

// orderXML is orderJSON with <order> documents: <sku> and <qty> in it, or
// <customer> and <lines> of <line>. Namespaces do not matter.
func (rt *Runtime) orderXML(_ context.Context, m *Message) Answer {
	d := readXML(m.Body)
	o := rt.accept(d)
	if o == nil {
		return answerOrder(xmlAnswer(http.StatusBadRequest, d.reject()), m, nil)
	}
	return answerOrder(xmlAnswer(http.StatusOK, o), m, o)
}

func xmlAnswer(status int, v any) Answer {
	b, err := xml.Marshal(v)
	if err != nil {
		return Answer{Failure: "javax.xml.stream.XMLStreamException: " + err.Error()}
	}
	return Answer{Status: status, ContentType: "application/xml;charset=utf-8", Body: append([]byte(xml.Header), b...)}
}

// answerOrder adds what the log holds: custom headers, and the order as it was
// sent.
func answerOrder(a Answer, m *Message, o *order) Answer {
	a.Log.Attachments = append(a.Log.Attachments, payload("Order", m))
	if o == nil {
		a.Log.Headers = append(a.Log.Headers, messagelog.Property{Name: "OrderStatus", Value: "REJECTED"})
		return a
	}
	a.Log.Headers = append(a.Log.Headers,
		messagelog.Property{Name: "OrderNumber", Value: o.ID},
		messagelog.Property{Name: "OrderStatus", Value: "ACCEPTED"})
	if o.Customer != "" {
		a.Log.Headers = append(a.Log.Headers, messagelog.Property{Name: "Customer", Value: o.Customer})
	}
	return a
}

func (d *draft) reject() rejection {
	first := d.problems[0]
	reason := first.Reason
	if first.Field != "" {
		reason = first.Field + ": " + reason
	}
	return rejection{Error: "invalid order", Reason: reason, Details: d.problems}
}

// accept checks the order and gives it a number; nil when it has problems.
func (rt *Runtime) accept(d *draft) *order {
	switch n := len(d.lines); {
	case n == 0 && len(d.problems) > 0:
		return nil
	case n == 0:
		d.wrong("lines", "want at least one line")
	case n > maxLines:
		d.wrong("lines", "want at most %d lines, got %d", maxLines, n)
		return nil
	}
	o := &order{Customer: d.customer, Currency: "EUR"}
	for _, l := range d.lines {
		checked := d.check(l)
		o.Lines = append(o.Lines, checked)
		o.Total += checked.Amount
	}
	if len(d.problems) > 0 {
		return nil
	}
	o.ID = strconv.FormatInt(rt.orders.Add(1), 10)
	return o
}

// sku is what an article number looks like.
var sku = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,39}$`)

func (d *draft) check(l draftLine) line {
	checked := line{SKU: l.sku}
	switch {
	case l.sku == "":
		d.wrong(l.field+"sku", "is missing")
	case !sku.MatchString(l.sku):
		d.wrong(l.field+"sku", "want 1 to 40 of A-Z a-z 0-9 . _ / -, got %q", clip(l.sku))
	}
	checked.Price = price(l.sku)
	if l.price != "" {
		p, ok := decimal(l.price, 100)
		if !ok || p < 0 || p > maxPrice {
			d.wrong(l.field+"price", "want an amount from 0 to %s with at most two decimals, got %s", cents(maxPrice), clip(l.price))
		}
		checked.Price = cents(p)
	}
	qty, ok := decimal(l.qty, 1)
	switch {
	case l.qty == "":
		d.wrong(l.field+"qty", "is missing")
	case !ok || qty < 1 || qty > maxQty:
		d.wrong(l.field+"qty", "want a whole number from 1 to %d, got %s", maxQty, clip(l.qty))
	}
	checked.Qty, checked.Amount = qty, checked.Price*cents(qty)
	return checked
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// decimalText is a decimal number with an exponent that is worth reading.
var decimalText = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?$`)

// decimal gives the number times scale when that is a whole number.
func decimal(text string, scale int64) (int64, bool) {
	if !decimalText.MatchString(text) {
		return 0, false
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, false
	}
	r.Mul(r, big.NewRat(scale, 1))
	if !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}

// price is what an article costs when the order does not say: always the same
// for the same article number.
func price(sku string) cents {
	switch strings.ToUpper(sku) {
	case "A-100":
		return 9_50
	case "A-200":
		return 19_90
	case "B-100":
		return 4_25
	}
	h := fnv.New32a()
	io.WriteString(h, strings.ToUpper(sku))
	return cents(100 + h.Sum32()%99_00)
}

// readJSON reads an order with its numbers as they were written.
func readJSON(body []byte) *draft {
	d := &draft{}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	if err == nil && dec.More() {
		err = errors.New("something follows the document")
	}
	if err != nil {
		d.wrong("", "the body is not JSON: %s", strings.TrimPrefix(plain(err), "json: "))
		return d
	}
	top, ok := v.(map[string]any)
	if !ok {
		d.wrong("", "want a JSON object with sku and qty, or with lines, got %s", kind(v))
		return d
	}
	d.customer = d.text(top, "", "customer")
	lines, has := top["lines"]
	if !has {
		d.lines = append(d.lines, d.lineJSON(top, ""))
		return d
	}
	list, ok := lines.([]any)
	if !ok {
		d.wrong("lines", "want a list, got %s", kind(lines))
		return d
	}
	for i, item := range list {
		field := "lines." + strconv.Itoa(i)
		object, ok := item.(map[string]any)
		if !ok {
			d.wrong(field, "want an object, got %s", kind(item))
			continue
		}
		d.lines = append(d.lines, d.lineJSON(object, field+"."))
	}
	return d
}

func plain(err error) string {
	if errors.Is(err, io.EOF) {
		return "it is empty"
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends too early"
	}
	return err.Error()
}

func (d *draft) lineJSON(object map[string]any, field string) draftLine {
	return draftLine{
		field: field, sku: d.text(object, field, "sku"),
		qty: d.number(object, field, "qty"), price: d.number(object, field, "price"),
	}
}

// text gives a member that must be text; absent and null are empty.
func (d *draft) text(object map[string]any, field, name string) string {
	v := object[name]
	s, ok := v.(string)
	if !ok && v != nil {
		d.wrong(field+name, "want text, got %s", kind(v))
		// What is not text is not also missing.
		return "-"
	}
	return s
}

// number gives the digits of a member that must be a number.
func (d *draft) number(object map[string]any, field, name string) string {
	switch v := object[name].(type) {
	case nil:
		return ""
	case json.Number:
		return v.String()
	default:
		d.wrong(field+name, "want a number, got %s", kind(v))
		return "1"
	}
}

// kind names a JSON value.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return "the number " + clip(v.String())
	case string:
		return strconv.Quote(clip(v))
	case []any:
		return "a list"
	}
	return "an object"
}

// readXML reads an <order>.
func readXML(body []byte) *draft {
	d := &draft{}
	var doc struct {
		XMLName  xml.Name
		Customer string `xml:"customer"`
		SKU      string `xml:"sku"`
		Qty      string `xml:"qty"`
		Price    string `xml:"price"`
		Lines    *struct {
			Line []struct {
				SKU   string `xml:"sku"`
				Qty   string `xml:"qty"`
				Price string `xml:"price"`
			} `xml:"line"`
		} `xml:"lines"`
	}
	if err := xml.Unmarshal(body, &doc); err != nil {
		d.wrong("", "the body is not XML: %s", strings.TrimPrefix(plain(err), "XML "))
		return d
	}
	if doc.XMLName.Local != "order" {
		d.wrong("", "want an <order>, got <%s>", clip(doc.XMLName.Local))
		return d
	}
	d.customer = strings.TrimSpace(doc.Customer)
	if doc.Lines == nil {
		d.lines = []draftLine{trimmed("", doc.SKU, doc.Qty, doc.Price)}
		return d
	}
	for i, l := range doc.Lines.Line {
		d.lines = append(d.lines, trimmed("lines."+strconv.Itoa(i)+".", l.SKU, l.Qty, l.Price))
	}
	return d
}

func trimmed(field, sku, qty, price string) draftLine {
	return draftLine{field, strings.TrimSpace(sku), strings.TrimSpace(qty), strings.TrimSpace(price)}
}
