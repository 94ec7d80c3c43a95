package fleet_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain makes the properties draw the same values in each run, so that a failure is caused by the change. A search draws new ones:
//
//	go test ./sidecar/internal/core/fleet -run TestInvariants -rapid.checks=20000 -rapid.seed=$RANDOM
func TestMain(m *testing.M) {
	flag.Parse()
	if seed := flag.Lookup("rapid.seed"); seed.Value.String() == seed.DefValue {
		_ = flag.Set("rapid.seed", "20261124") // a valid number
	}
	os.Exit(m.Run())
}
