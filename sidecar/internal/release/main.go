// Command release writes the files that a release ships beside the binary: manual pages into DIR/man and shell completions into
// DIR/completions. SOURCE_DATE_EPOCH is the date of the pages.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"stoker/sidecar/internal/command"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("name the folder to write into: release DIR")
	}
	root := command.Tree(command.Env{})
	root.InitDefaultCompletionCmd()
	pages, completions := filepath.Join(args[0], "man"), filepath.Join(args[0], "completions")
	for _, dir := range []string{pages, completions} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return errors.Join(writePages(root, pages), writeCompletions(root, completions))
}

func writePages(root *cobra.Command, dir string) error {
	root.DisableAutoGenTag = true // it would contain the day of the build
	return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "Stoker", Manual: "Stoker"}, dir)
}

func writeCompletions(root *cobra.Command, dir string) error {
	return errors.Join(
		root.GenBashCompletionFileV2(filepath.Join(dir, "stoker.bash"), true),
		root.GenZshCompletionFile(filepath.Join(dir, "_stoker")),
		root.GenFishCompletionFile(filepath.Join(dir, "stoker.fish"), true),
	)
}
