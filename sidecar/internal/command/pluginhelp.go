package command

import "strings"

// pluginHelp and pluginUsage are the help in the manner of the Docker CLI: usage first, then what it does, its options and its commands.
const (
	pluginHelp = `{{.UsageString}}`

	pluginUsage = `Usage:  {{if .HasAvailableSubCommands}}{{.CommandPath}} [OPTIONS] COMMAND{{else}}{{.UseLine}}{{end}}

{{.Short}}
{{- if .HasExample}}

Examples:
{{.Example}}
{{- end}}


Options:
{{.Flags.FlagUsages | trimTrailingWhitespaces}}
{{- if .HasAvailableSubCommands}}

Commands:
{{- range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}

The commands are run in the container of Stoker that runs on the engine, with docker exec, and check --compose here.
It is found by the title of its image. To start one:

  docker run -d --name stoker --restart always --read-only --cap-drop ALL --security-opt no-new-privileges:true \
    -v /var/run/docker.sock:/var/run/docker.sock -v stoker:/var/lib/stoker -p 127.0.0.1:8080:8080 ` + Image + `

Run '{{.CommandPath}} COMMAND --help' for more information on a command.
{{- end}}
`
)

// Image is the published image of Stoker.
const Image = "ghcr.io/stoker-sidecar/stoker:1"

// inPlugin are examples of the sidecar's commands as the plugin has them.
func inPlugin(examples string) string {
	examples = strings.ReplaceAll(examples, "docker exec stoker /stoker ", "stoker ")
	lines := strings.Split(examples, "\n")
	for n, line := range lines {
		lines[n] = strings.Replace(line, "stoker ", "docker stoker ", 1)
	}
	return strings.Join(lines, "\n")
}
