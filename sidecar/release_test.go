package main

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/testenv"
)

// vex has the fields of docs/stoker.openvex.json that scanners read.
type vex struct {
	Context    string    `json:"@context"`
	ID         string    `json:"@id"`
	Author     string    `json:"author"`
	Timestamp  time.Time `json:"timestamp"`
	Version    int       `json:"version"`
	Statements []struct {
		Vulnerability struct {
			Name string `json:"name"`
		} `json:"vulnerability"`
		Products []struct {
			ID            string `json:"@id"`
			Subcomponents []struct {
				ID string `json:"@id"`
			} `json:"subcomponents"`
		} `json:"products"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
		Impact        string `json:"impact_statement"`
	} `json:"statements"`
}

// The VEX file is complete, is about the version in go.mod and the released image, and docs/security.md explains each finding.
func TestVEX(t *testing.T) {
	t.Parallel()
	file, err := os.Open("../docs/stoker.openvex.json")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	var v vex
	require.NoError(t, json.NewDecoder(file).Decode(&v))
	require.Equal(t, "https://openvex.dev/ns/v0.2.0", v.Context)
	require.NotEmpty(t, v.ID)
	require.NotEmpty(t, v.Author)
	require.False(t, v.Timestamp.IsZero())
	require.Positive(t, v.Version)
	image := regexp.MustCompile(`(?m)^  - IMAGE=(\S+)$`).FindStringSubmatch(read(t, "../.goreleaser.yaml"))[1]
	products := []string{"pkg:oci/stoker?repository_url=" + image, "pkg:golang/stoker"}
	module := regexp.MustCompile(`(?m)^\tgithub\.com/docker/docker (\S+)$`).FindStringSubmatch(read(t, "../go.mod"))[1]
	page := read(t, "../docs/security.md")
	var named []string
	for _, s := range v.Statements {
		named = append(named, s.Vulnerability.Name)
		require.Contains(t, page, s.Vulnerability.Name)
		require.Equal(t, "not_affected", s.Status)
		require.Equal(t, "vulnerable_code_not_present", s.Justification)
		require.NotEmpty(t, s.Impact)
		require.Len(t, s.Products, len(products))
		for n, p := range s.Products {
			require.Equal(t, products[n], p.ID)
			require.Len(t, p.Subcomponents, 1)
			require.Equal(t, "pkg:golang/github.com/docker/docker@"+url.QueryEscape(module), p.Subcomponents[0].ID)
		}
	}
	require.ElementsMatch(t, []string{"CVE-2026-34040", "CVE-2026-33997", "CVE-2026-41567", "CVE-2026-41568", "CVE-2026-42306"}, named)
}

// The reason for the statements: of the module with the daemon, only the client and the API's types are linked.
func TestNothingOfTheDaemonIsLinked(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "nethttpomithttp2", ".").Output()
	require.NoError(t, err)
	const module = "github.com/docker/docker/"
	linked := slices.Collect(strings.Lines(string(out)))
	require.Contains(t, linked, module+"client\n")
	for _, path := range linked {
		if of, ok := strings.CutPrefix(strings.TrimSpace(path), module); ok {
			require.True(t, of == "client" || of == "api" || strings.HasPrefix(of, "api/"), "%s%s is linked", module, of)
		}
	}
}

// The Makefile, the image from source and the release build the same program.
func TestBuildsAgree(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"../Makefile", "../Dockerfile.sidecar", "../.goreleaser.yaml"} {
		text := read(t, file)
		for _, flag := range []string{"nethttpomithttp2", "-trimpath", "-s -w", "-X main.version=", "-X main.commit="} {
			require.Contains(t, text, flag, file)
		}
	}
	instructions := func(file string) []string {
		lines := strings.Split(strings.ReplaceAll(read(t, file), "\\\n", ""), "\n")
		lines = slices.DeleteFunc(lines, func(line string) bool {
			instruction, _, _ := strings.Cut(line, " ")
			return !slices.Contains([]string{"LABEL", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"}, instruction)
		})
		return lines
	}
	require.Len(t, instructions("../Dockerfile.sidecar"), 4)
	require.Equal(t, instructions("../Dockerfile.sidecar"), instructions("../Dockerfile.release"))
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

// The systemd unit is valid, and as restricted as docs/security.md states. Only systemd can check that.
func TestUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		testenv.Missing(t, "no systemd-analyze here: install Debian's package systemd")
	}
	unit := strings.NewReplacer("ExecStart=/usr/bin/stoker", "ExecStart=/bin/true", "Documentation=man:stoker(1)\n", "").Replace(read(t, "../packaging/stoker.service"))
	file := filepath.Join(t.TempDir(), "stoker.service")
	require.NoError(t, os.WriteFile(file, []byte(unit), 0o600))
	out, err := exec.CommandContext(t.Context(), analyze, "verify", file).CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--no-pager", "--threshold=15", file).CombinedOutput()
	require.NoError(t, err, string(out))
}
