// Package runner compiles scenarios into a plan and runs the plan, emitting
// flat events. It never formats and never prints.
package runner
