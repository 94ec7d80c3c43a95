package worker_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// savedLine is a worker in a journal, with a value in every field.
//
//go:embed testdata/saved.json
var savedLine []byte

// The journal's format outlives a release: a line of an earlier Stoker is read completely, and written again unchanged.
func TestSavedIsWrittenAsItWas(t *testing.T) {
	var before bytes.Buffer
	require.NoError(t, json.Compact(&before, savedLine))
	var saved worker.Saved
	require.NoError(t, json.Unmarshal(before.Bytes(), &saved))
	requireFilled(t, "Saved", reflect.ValueOf(saved))

	after, err := json.Marshal(saved)
	require.NoError(t, err)
	require.Equal(t, before.String(), string(after), "the order of the fields counts too")
}

// requireFilled fails if a new field is missing in the line.
func requireFilled(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	require.False(t, v.IsZero(), "%s is not in testdata/saved.json", name)
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || v.NumField() == 0 || !v.Type().Field(0).IsExported() { // a time.Time has no exported fields
		return
	}
	for i := range v.NumField() {
		requireFilled(t, name+"."+v.Type().Field(i).Name, v.Field(i))
	}
}
