package command

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A task that is unhealthy and ends with 0 is lost under on-failure.
func TestOnFailureWithAHealthCheck(t *testing.T) {
	for name, c := range map[string]struct {
		service string
		warned  bool
	}{
		"on-failure, checked":     {`w: {image: w, labels: {stoker.enable: "true"}, healthcheck: {test: [CMD, x]}, deploy: {restart_policy: {condition: on-failure}}}`, true},
		"on-failure, the image's": {`w: {image: w, labels: {stoker.enable: "true"}, deploy: {restart_policy: {condition: on-failure}}}`, true},
		"on-failure, unchecked":   {`w: {image: w, labels: {stoker.enable: "true"}, healthcheck: {disable: true}, deploy: {restart_policy: {condition: on-failure}}}`, false},
		"any":                     {`w: {image: w, labels: {stoker.enable: "true"}, healthcheck: {test: [CMD, x]}, deploy: {restart_policy: {condition: any}}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			d, code := drafted(t, nil, "--compose", stackFile(t, c.service))
			require.Zero(t, code)
			require.Equal(t, c.warned, slices.Contains(d.Services[0].Advice, onFailure))
		})
	}
}
