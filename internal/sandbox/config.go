package sandbox

import (
	"slices"
	"time"

	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/subaccount"
)

// Config is a sandbox of one's own: what a configuration file adds to the
// tenant. The zero Config adds nothing. It never changes once it is read.
type Config struct {
	flows       []iflow.Flow
	instances   []instanceConfig
	keys        []keyConfig
	entitled    []string
	named       bool // entitled was written
	latency     time.Duration
	faults      []Fault
	decodeBasic bool
}

type instanceConfig struct {
	spec subaccount.InstanceSpec
	keys []string
}

type keyConfig struct{ name, instance string }

// entitledPlans gives the plans of it-rt the subaccount may use.
func (c *Config) entitledPlans() []string {
	if c.named {
		return c.entitled
	}
	return []string{subaccount.PlanAPI, subaccount.PlanFlow}
}

// provision makes the instances and keys of the configuration.
func (c *Config) provision(s *subaccount.Subaccount) error {
	for _, i := range c.instances {
		if _, err := s.CreateInstance(i.spec); err != nil {
			return err
		}
		for _, k := range i.keys {
			if _, err := s.CreateKey(i.spec.Name, k); err != nil {
				return err
			}
		}
	}
	for _, k := range c.keys {
		if _, err := s.CreateKey(k.instance, k.name); err != nil {
			return err
		}
	}
	return nil
}

func sorted(list []string) []string {
	if list == nil {
		return []string{}
	}
	return slices.Sorted(slices.Values(list))
}
