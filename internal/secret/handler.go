package secret

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
)

// Handler gives a log handler that passes every record through the redactor
// before h sees it: message, keys and values. Attributes given to a logger
// beforehand are redacted when a record is written, so secrets that were
// learned in between are masked too. A value that is no text, number, boolean
// or time is logged as text.
func (r *Redactor) Handler(h slog.Handler) slog.Handler { return &handler{r: r, next: h} }

type handler struct {
	r    *Redactor
	next slog.Handler
	// scopes are what WithGroup and WithAttrs were called with, in order.
	scopes []scope
}

// scope is a group that was opened, or attributes that were added to it.
type scope struct {
	group string
	attrs []slog.Attr
}

// Enabled asks the handler behind.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle redacts the record and hands it on.
func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	attrs := make([]slog.Attr, 0, record.NumAttrs())
	record.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, h.attr(a))
		return true
	})
	for _, s := range slices.Backward(h.scopes) {
		if s.group != "" {
			attrs = []slog.Attr{slog.GroupAttrs(h.r.Text(s.group), attrs...)}
			continue
		}
		attrs = append(h.attrs(s.attrs), attrs...)
	}
	clean := slog.NewRecord(record.Time, record.Level, h.r.Text(record.Message), record.PC)
	clean.AddAttrs(attrs...)
	return h.next.Handle(ctx, clean)
}

// WithAttrs keeps the attributes for the records to come.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	return h.with(scope{attrs: attrs})
}

// WithGroup opens a group for what comes after.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(scope{group: name})
}

func (h *handler) with(s scope) slog.Handler {
	return &handler{r: h.r, next: h.next, scopes: append(slices.Clip(h.scopes), s)}
}

func (h *handler) attrs(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return clean
}

func (h *handler) attr(a slog.Attr) slog.Attr {
	return slog.Attr{Key: h.r.Text(a.Key), Value: h.value(a.Value.Resolve())}
}

func (h *handler) value(v slog.Value) slog.Value {
	switch v.Kind() {
	case slog.KindString:
		return slog.StringValue(h.r.Text(v.String()))
	case slog.KindGroup:
		return slog.GroupValue(h.attrs(v.Group())...)
	case slog.KindInt64, slog.KindUint64, slog.KindFloat64:
		if text := v.String(); h.r.Contains(text) { // a PIN
			return slog.StringValue(h.r.Text(text))
		}
		return v
	case slog.KindBool, slog.KindDuration, slog.KindTime:
		return v
	default:
		if b, ok := v.Any().([]byte); ok {
			return slog.StringValue(h.r.Text(string(b)))
		}
		return slog.StringValue(h.r.Text(fmt.Sprintf("%+v", v.Any())))
	}
}
