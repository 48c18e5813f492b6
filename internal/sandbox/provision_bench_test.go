package sandbox_test

import (
	"fmt"
	"testing"

	"iflowtest/internal/sandbox"
)

// BenchmarkProvisioning creates an instance and a key, reads the credentials,
// gets a token and deletes the instance, beside others that stay.
func BenchmarkProvisioning(b *testing.B) {
	for _, beside := range []int{0, 500} {
		b.Run(fmt.Sprintf("beside-%d", beside), func(b *testing.B) {
			c := signedIn(b, sandbox.Options{})
			for i := range beside {
				name := fmt.Sprintf("beside-%d", i)
				c.done(c.createService(name, "api", ""))
				c.done(c.createKey(name, "k", ""))
			}
			for b.Loop() {
				c.done(c.createService("mine", "integration-flow", flowParameters))
				c.done(c.createKey("mine", "k", ""))
				if a := c.form(c.credentials("mine", "k")); a.StatusCode != 200 {
					b.Fatalf("token: %d %s", a.StatusCode, a.body)
				}
				c.done(c.call("DELETE", "/v3/service_instances/"+c.service("mine").GUID, ""))
			}
		})
	}
}
