// Package testenv handles tests on machines that lack something the tests need.
package testenv

import (
	"os"
	"testing"
)

// Missing skips the test because this machine lacks something, such as an engine or a program. With CI=true it fails the test:
// CI installs what the tests need, and a skipped suite would look like one that passed.
//
// Tests that run only on request, or that do not apply to the current engine, call Skip themselves.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI=true, where nothing may be missing: "+format, args...)
	}
	t.Skipf(format, args...)
}

// NoDNS reports whether STOKER_TEST_NO_DNS is set: containers cannot resolve each other's names. An engine without iptables has no DNS, and its
// API does not report that.
func NoDNS() bool { return os.Getenv("STOKER_TEST_NO_DNS") != "" }
