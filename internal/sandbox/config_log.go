package sandbox

import (
	"gopkg.in/yaml.v3"

	"iflowtest/internal/sandbox/messagelog"
)

func (c *configReader) messageLog(n *yaml.Node) logRule {
	var l logRule
	c.mapping(n, "message-log", []field{
		{name: "status", read: func(n *yaml.Node) { l.status = c.oneOf(n, "status", messagelog.Statuses()) }},
		{name: "custom-headers", read: func(n *yaml.Node) { l.headers = c.templates(n, "custom-headers", nil) }},
		{name: "error", read: func(n *yaml.Node) { l.text = c.template(n, "error") }},
		{name: "processing", read: func(n *yaml.Node) { l.processing = c.duration(n, "processing") }},
	})
	return l
}
