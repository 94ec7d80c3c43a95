package peers

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzRead reads any answer. What comes out is within its bounds, and can be shown as JSON.
func FuzzRead(f *testing.F) {
	for _, answer := range []string{
		`{"at":"2026-03-01T12:00:00Z","host":"a","engine":{"connected":true,"version":"28.5.2"},"workers":[{"key":"w","state":"running","problems":[{"label":"x"}]}]}`,
		`{"engine":{},"workers":[{"used_cpus":1e308,"throttled_share":-1,"started_at":"9999-12-31T23:59:59Z"}]}`, `{"engine":{},"workers":[{"key":"\u001b[2J\ud800"}]}`,
		`{"workers":[],"workers":null,"engine":{}}`, `[]`, `{"x":`, "",
	} {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		r, err := Read(bytes.NewReader(answer))
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(r.Workers), MaxWorkers)
		for _, w := range r.Workers {
			require.LessOrEqual(t, len(w.Key), mostName)
			require.True(t, utf8.ValidString(w.Key))
			require.NotEmpty(t, w.State)
		}
		_, err = json.Marshal(Host{Report: r})
		require.NoError(t, err)
	})
}
