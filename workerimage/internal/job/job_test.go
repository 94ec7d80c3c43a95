package job_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/job"
	"stoker/workerimage/internal/task"
)

func TestAJobIsReadAsItWasWritten(t *testing.T) {
	for _, j := range []job.Job{
		{ID: "a-1", Kind: task.Pow, From: 5, To: 1 << 63, Prefix: "00f", Seed: "s"},
		{ID: strings.Repeat("x", 255), Kind: task.Squares, To: 1},
	} {
		body, err := j.Encode()
		require.NoError(t, err)
		read, err := job.Decode(body)
		require.NoError(t, err)
		require.Equal(t, j, read)
	}
}

func TestWhatIsNoJob(t *testing.T) {
	for name, body := range map[string]string{
		"empty":           "",
		"no JSON":         "task 5",
		"no object":       "[1]",
		"no id":           `{"kind":"squares","to":1}`,
		"a long id":       `{"id":"` + strings.Repeat("x", 256) + `","kind":"squares","to":1}`,
		"unknown kind":    `{"id":"1","kind":"knit","to":1}`,
		"no range":        `{"id":"1","kind":"squares","from":3,"to":3}`,
		"negative":        `{"id":"1","kind":"squares","from":-1,"to":3}`,
		"no prefix":       `{"id":"1","kind":"pow","to":3}`,
		"a bad prefix":    `{"id":"1","kind":"pow","to":3,"prefix":"xyz"}`,
		"an unknown key":  `{"id":"1","kind":"squares","to":3,"form":1}`,
		"two of them":     `{"id":"1","kind":"squares","to":3}{}`,
		"a huge number":   `{"id":"1","kind":"squares","to":99999999999999999999}`,
		"an id of a type": `{"id":1,"kind":"squares","to":3}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := job.Decode([]byte(body))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "\n")
			refused := job.Refuse([]byte(body), err)
			require.Equal(t, err.Error(), refused.Problem)
			require.NotEmpty(t, refused.ID)
			require.LessOrEqual(t, len(refused.ID), 255)
			require.Equal(t, refused, job.Refuse([]byte(body), err), "the same message has the same result")
			require.NotEqual(t, job.Refuse([]byte("another"), err).ID, refused.ID)
		})
	}
	require.Equal(t, "mine", job.Refuse([]byte(`{"id":"mine","kind":"knit"}`), errors.New("x")).ID)
}

func TestAResultIsReadAsItWasWritten(t *testing.T) {
	sum := task.Task{Kind: task.Squares}.Compute(1, task.Span{From: 1 << 40, To: 1<<40 + 1000})
	result := job.Result{ID: "1", Attempt: "x", Worker: "w", Again: true, Sum: &sum, Seconds: 0.5}
	body, err := result.Encode()
	require.NoError(t, err)
	read, err := job.DecodeResult(body)
	require.NoError(t, err)
	require.Equal(t, result, read)
	for _, bad := range []string{"", "{}", "5", `{"id":5}`} {
		_, err := job.DecodeResult([]byte(bad))
		require.Error(t, err, bad)
	}
}
