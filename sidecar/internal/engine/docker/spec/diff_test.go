package spec

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"
)

// richFile is the inspect of TestLiveRichContainer's container on 20.10.24.
const richFile = "testdata/rich.json"

func readTree(t *testing.T, file string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var tree map[string]any
	require.NoError(t, json.Unmarshal(raw, &tree))
	return tree
}

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	require.NoError(t, err)
	return raw
}

// leaf is one value in a tree, and a function to change it.
type leaf struct {
	field []string
	value any
	set   func(any)
}

func leaves(field []string, value any, set func(any)) []leaf {
	var list []leaf
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			list = append(list, leaves(append(slices.Clone(field), key), inner, func(n any) { v[key] = n })...)
		}
	case []any:
		for i, inner := range v {
			list = append(list, leaves(append(slices.Clone(field), strconv.Itoa(i)), inner, func(n any) { v[i] = n })...)
		}
	default:
		list = append(list, leaf{field: field, value: value, set: set})
	}
	return list
}

func another(value any) any {
	switch v := value.(type) {
	case string:
		return v + "7"
	case float64:
		return v + 7
	case bool:
		return !v
	}
	return "7"
}

// TestDiffNamesEveryField changes each value of a real inspect, one at a time: each change is reported with its own field, unless the field
// is on the list.
func TestDiffNamesEveryField(t *testing.T) {
	old, reported := asJSON(t, readTree(t, richFile)), 0
	tree := readTree(t, richFile)
	for _, l := range leaves(nil, any(tree), nil) {
		l.set(another(l.value))
		found, err := Diff(old, asJSON(t, tree), nil)
		l.set(l.value)
		if err != nil || l.field[0] == "Id" { // a port with text in it, for example, is no inspect any more
			continue
		}
		name := fieldName(l.field)
		if isIgnoredOrUnder(l.field) {
			require.Empty(t, found, name)
			continue
		}
		require.NotEmpty(t, found, "%s went from %v to %v unseen", name, l.value, another(l.value))
		require.True(t, slices.ContainsFunc(found, func(d Difference) bool { return strings.HasPrefix(d.Field, l.field[0]) }), "%s was reported as %v", name, found)
		reported++
	}
	require.Greater(t, reported, 100)
}

// TestDiffMissesNoLoss removes each value, as if it had not been requested.
func TestDiffMissesNoLoss(t *testing.T) {
	old := asJSON(t, readTree(t, richFile))
	tree := readTree(t, richFile)
	for _, section := range []string{"Config", "HostConfig"} {
		object := tree[section].(map[string]any)
		for key, value := range object {
			if isNothing(value) || value == 0.0 || value == false || isIgnoredOrUnder([]string{section, key}) {
				continue // nothing to lose
			}
			object[key] = nil
			found, err := Diff(old, asJSON(t, tree), nil)
			object[key] = value
			require.NoError(t, err)
			if section+"."+key == "HostConfig.IpcMode" || section+"."+key == "HostConfig.CgroupnsMode" {
				continue // the value is the engine's default
			}
			require.NotEmpty(t, found, "%s.%s was lost unseen", section, key)
		}
	}
}

func isIgnoredOrUnder(field []string) bool {
	return slices.ContainsFunc(ignored(), func(e Exception) bool { return isUnder(e.Field, field) }) || field[0] == "Id"
}

// TestDiffExcuses has, for each entry of Known that is not simply ignored, two inspects that differ and count as equal.
func TestDiffExcuses(t *testing.T) {
	parent, successor := strings.Repeat("1", 64), strings.Repeat("2", 64)
	names := map[string]string{parent: "/parent", successor: "/parent"}
	volume := `"Mounts":[{"Type":"volume","Name":"v","Destination":"/d","Mode":%q,"RW":true}]`
	for name, pair := range map[string][2]string{
		"Config.Hostname":                       {`"Config":{"Hostname":"aaaaaaaaaaaa"}`, `"Config":{"Hostname":"bbbbbbbbbbbb"}`},
		"Config.Domainname":                     {`"Config":{"Domainname":"x"},"HostConfig":{"NetworkMode":"container:` + parent + `"}`, `"HostConfig":{"NetworkMode":"container:` + successor + `"}`},
		"Config.Env":                            {`"Config":{"Env":["A=1","HOSTNAME=aaaaaaaaaaaa"]}`, `"Config":{"Env":["A=1","HOSTNAME=bbbbbbbbbbbb"]}`},
		"a default network that does not exist": {`"State":{"Running":true},"NetworkSettings":{"Networks":{"bridge":{"NetworkID":"","EndpointID":""}}}`, `"NetworkSettings":{"Networks":{}}`},
		"annotations of a Podman's limits":      {`"HostConfig":{"PidsLimit":50,"CpusetCpus":"0","CpusetMems":"0"}`, `"HostConfig":{"PidsLimit":50,"CpusetCpus":"0","CpusetMems":"0","Annotations":{"io.podman.annotations.pids-limit":"50","io.podman.annotations.cpuset":"0","io.podman.annotations.memory-nodes":"0"}}`},
		"a Podman's environment":                {`"Config":{"Env":["container=podman","A=1","B=2","HOSTNAME=aaaaaaaaaaaa"]}`, `"Config":{"Env":["B=2","HOSTNAME=bbbbbbbbbbbb","A=1","container=podman"]}`},
		"Config.Labels":                         {`"Config":{"Labels":{"a":"1","stoker-recreate.of":"x"}}`, `"Config":{"Labels":{"a":"1","stoker-recreate.by":"y"}}`},
		"Config.Image":                          {`"Image":"sha256:` + parent + `","Config":{"Image":"worker:1"}`, `"Image":"sha256:` + parent + `","Config":{"Image":"sha256:` + parent + `"}`},
		"HostConfig.NetworkMode":                {`"HostConfig":{"NetworkMode":"default"}`, `"HostConfig":{"NetworkMode":"bridge"}`},
		"network by ID":                         {`"HostConfig":{"NetworkMode":"` + parent + `"},"NetworkSettings":{"Networks":{"app":{"NetworkID":"` + parent + `"}}}`, `"HostConfig":{"NetworkMode":"app"},"NetworkSettings":{"Networks":{"app":{"NetworkID":"x"}}}`},
		"HostConfig.PidMode":                    {`"HostConfig":{"PidMode":"container:` + parent + `"}`, `"HostConfig":{"PidMode":"container:` + successor + `"}`},
		"HostConfig.IpcMode":                    {`"HostConfig":{"IpcMode":""}`, `"HostConfig":{"IpcMode":"shareable"}`},
		"HostConfig.CgroupnsMode":               {`"HostConfig":{}`, `"HostConfig":{"CgroupnsMode":"host"}`},
		"HostConfig.VolumesFrom":                {`"HostConfig":{"VolumesFrom":["` + parent[:12] + `:ro"]}`, `"HostConfig":{"VolumesFrom":["parent:ro"]}`},
		"HostConfig.Links":                      {`"HostConfig":{"Links":["/a:/old/x","/b:/old/y"]}`, `"HostConfig":{"Links":["/b:/new/y","/a:/new/x"]}`},
		"HostConfig.Binds":                      {`"HostConfig":{"Binds":["/d","/x:/x"]},` + fmt.Sprintf(volume, "z"), `"HostConfig":{"Binds":["/x:/x","v:/d"]},` + fmt.Sprintf(volume, "z")},
		"HostConfig.Mounts":                     {`"HostConfig":{"Mounts":[{"Type":"volume","Target":"/d"}]},` + fmt.Sprintf(volume, "z"), `"HostConfig":{"Mounts":[{"Type":"volume","Source":"v","Target":"/d","VolumeOptions":{"NoCopy":true}}]},` + fmt.Sprintf(volume, "z")},
		"Mounts":                                {`"Config":{"Volumes":{"/d":{}}},` + fmt.Sprintf(volume, ""), `"Config":{"Volumes":{"/d":{}}},"HostConfig":{"Mounts":[{"Type":"volume","Source":"v","Target":"/d","VolumeOptions":{"NoCopy":true}}]},` + fmt.Sprintf(volume, "z")},
		"HostConfig.SecurityOpt":                {`"HostConfig":{"PidMode":"container:` + parent + `","SecurityOpt":["label=user:u","label=role:r","label=type:t","label=level:1"]}`, `"HostConfig":{"PidMode":"container:` + parent + `","SecurityOpt":["label=user:u","label=role:r","label=type:t","label=level:2"]}`},
		"HostConfig.CapAdd":                     {`"HostConfig":{"CapAdd":["net_admin","SYS_NICE"]}`, `"HostConfig":{"CapAdd":["CAP_SYS_NICE","CAP_NET_ADMIN"]}`},
		"HostConfig.CapDrop":                    {`"HostConfig":{"CapDrop":["all"]}`, `"HostConfig":{"CapDrop":["ALL"]}`},
		"HostConfig.Ulimits":                    {`"HostConfig":{"Ulimits":[{"Name":"a","Soft":1},{"Name":"b","Soft":2}]}`, `"HostConfig":{"Ulimits":[{"Name":"b","Soft":2},{"Name":"a","Soft":1}]}`},
		"HostConfig.CpuQuota":                   {`"HostConfig":{"NanoCpus":500000000,"CpuQuota":50000}`, `"HostConfig":{"NanoCpus":500000000,"CpuQuota":0}`},
		"HostConfig.CpuPeriod":                  {`"HostConfig":{"NanoCpus":500000000,"CpuPeriod":50000,"CpuQuota":25000}`, `"HostConfig":{"NanoCpus":500000000,"CpuPeriod":0}`},
		"HostConfig.PidsLimit":                  {`"HostConfig":{"PidsLimit":-1}`, `"HostConfig":{"PidsLimit":null}`},
		"HostConfig.MemorySwappiness":           {`"HostConfig":{"MemorySwappiness":-1}`, `"HostConfig":{"MemorySwappiness":null}`},
		"HostConfig.OomKillDisable":             {`"HostConfig":{"OomKillDisable":false}`, `"HostConfig":{"OomKillDisable":null}`},
		"HostConfig.RestartPolicy.Name":         {`"HostConfig":{"RestartPolicy":{"Name":""}}`, `"HostConfig":{"RestartPolicy":{"Name":"no"}}`},
		"HostConfig.LogConfig.Config.*":         {`"HostConfig":{"LogConfig":{"Config":{"a":"1"}}}`, `"HostConfig":{"LogConfig":{"Config":{"a":"1","b":"2"}}}`},
		"HostConfig.Runtime":                    {`"HostConfig":{"Runtime":""}`, `"HostConfig":{"Runtime":"runc"}`},
		"HostConfig.ShmSize":                    {`"HostConfig":{"ShmSize":0}`, `"HostConfig":{"ShmSize":67108864}`},
		"ImageManifestDescriptor":               {`"X":0`, `"ImageManifestDescriptor":{"digest":"x","size":1,"platform":{"os":"linux"}}`},
		"NetworkSettings.Networks.*.Aliases":    {`"NetworkSettings":{"Networks":{"app":{"Aliases":["x","y","aaaaaaaaaaaa"]}}}`, `"NetworkSettings":{"Networks":{"app":{"Aliases":["y","x"]}}}`},
		"NetworkSettings.Networks":              {`"HostConfig":{"NetworkMode":"container:` + parent + `"},"NetworkSettings":{"Networks":{"app":{"Aliases":["` + parent[:12] + `"]}}}`, `"HostConfig":{"NetworkMode":"container:` + successor + `"},"NetworkSettings":{"Networks":{"app":{"Aliases":["` + successor[:12] + `"]}}}`},
		"NetworkSettings.Networks.*.Links":      {`"NetworkSettings":{"Networks":{"app":{"Links":["` + parent + `:p"]}}}`, `"NetworkSettings":{"Networks":{"app":{"Links":["parent:p"]}}}`},
		"a field that one engine does not have": {`"HostConfig":{"KernelMemory":0}`, `"HostConfig":{"New":false,"Other":"","More":[]}`},
		"nothing, written in another way":       {`"HostConfig":{"Dns":null,"Tmpfs":{}},"Config":{"User":""}`, `"HostConfig":{"Dns":[]},"Config":{}`},
	} {
		t.Run(name, func(t *testing.T) {
			old, recreated := sparse(t, "a", pair[0]), sparse(t, "b", pair[1])
			found, err := Diff(old, recreated, names)
			require.NoError(t, err)
			require.Empty(t, found)
		})
	}
}

// TestDiffDoesNotExcuse has similar pairs that are differences.
func TestDiffDoesNotExcuse(t *testing.T) {
	one, other := strings.Repeat("1", 64), strings.Repeat("2", 64)
	for field, pair := range map[string][2]string{
		"Config.Hostname":    {`"Config":{"Hostname":"furnace"}`, `"Config":{"Hostname":"bbbbbbbbbbbb"}`},
		"Config.Image":       {`"Image":"sha256:` + one + `","Config":{"Image":"worker:1"}`, `"Image":"sha256:` + one + `","Config":{"Image":"worker:2"}`},
		"Image":              {`"Image":"sha256:` + one + `"`, `"Image":"sha256:` + other + `"`},
		"HostConfig.PidMode": {`"HostConfig":{"PidMode":"container:` + one + `"}`, `"HostConfig":{"PidMode":"container:` + other + `"}`},
		"HostConfig.Init":    {`"HostConfig":{"Init":false}`, `"HostConfig":{}`},
		"HostConfig.Annotations[io.podman.annotations.pids-limit]": {`"HostConfig":{"PidsLimit":50}`, `"HostConfig":{"PidsLimit":50,"Annotations":{"io.podman.annotations.pids-limit":"60"}}`},
		"HostConfig.Annotations[a]":                                {`"HostConfig":{"PidsLimit":50}`, `"HostConfig":{"PidsLimit":50,"Annotations":{"a":"50"}}`},
		"Config.Env[0]":                                            {`"Config":{"Env":["B=1","A=1","container=podman"]}`, `"Config":{"Env":["container=podman","A=2","B=1"]}`},
		"Config.StopTimeout":                                       {`"Config":{"StopTimeout":0}`, `"Config":{}`},
		"HostConfig.MemorySwappiness":                              {`"HostConfig":{"MemorySwappiness":0}`, `"HostConfig":{"MemorySwappiness":null}`},
		"HostConfig.NanoCpus":                                      {`"HostConfig":{"NanoCpus":500000000}`, `"HostConfig":{"NanoCpus":0}`},
		"HostConfig.LogConfig.Config[a-b]":                         {`"HostConfig":{"LogConfig":{"Config":{"a-b":"1"}}}`, `"HostConfig":{"LogConfig":{"Config":{}}}`},
		"HostConfig.MaskedPaths":                                   {`"HostConfig":{"MaskedPaths":[]}`, `"HostConfig":{"MaskedPaths":["/proc/acpi"]}`},
		"HostConfig.FromTheFuture":                                 {`"HostConfig":{"FromTheFuture":"x"}`, `"HostConfig":{}`},
		"Mounts[/d].Name":                                          {`"Mounts":[{"Type":"volume","Name":"v","Destination":"/d"}],"HostConfig":{"Binds":["v:/d"]}`, `"Mounts":[{"Type":"volume","Name":"w","Destination":"/d"}],"HostConfig":{"Binds":["v:/d"]}`},
		"NetworkSettings.Networks[app].Aliases":                    {`"NetworkSettings":{"Networks":{"app":{"Aliases":["x"]}}}`, `"NetworkSettings":{"Networks":{"app":{}}}`},
		"NetworkSettings.Networks[app].IPAMConfig.IPv4Address":     {`"NetworkSettings":{"Networks":{"app":{"IPAMConfig":{"IPv4Address":"10.1.1.1"}}}}`, `"NetworkSettings":{"Networks":{"app":{"IPAddress":"10.1.1.1"}}}`},
	} {
		t.Run(field, func(t *testing.T) {
			found, err := Diff(sparse(t, "a", pair[0]), sparse(t, "b", pair[1]), nil)
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.Equal(t, field, found[0].Field)
		})
	}
}

// sparse is an inspect with an ID made of one letter and the given keys.
func sparse(t *testing.T, letter, keys string) []byte {
	t.Helper()
	tree := map[string]any{"Config": map[string]any{}, "HostConfig": map[string]any{}}
	require.NoError(t, json.Unmarshal([]byte("{"+keys+"}"), &tree))
	tree["Id"] = strings.Repeat(letter, 64)
	return asJSON(t, tree)
}

func TestDiffHidesSecrets(t *testing.T) {
	keys := func(secret string) string {
		return `"Config":{"Env":["TOKEN=` + secret + `"],"Labels":{"password":"` + secret + `"},"Cmd":["--key","` + secret + `"],"Healthcheck":{"Test":["CMD","` + secret + `"]}},` +
			`"HostConfig":{"LogConfig":{"Config":{"splunk-token":"` + secret + `"}},"Memory":` + strconv.Itoa(len(secret)) + `},"Args":["` + secret + `"]`
	}
	found, err := Diff(sparse(t, "a", keys("hunter2")), sparse(t, "b", keys("hunter22")), nil)
	require.NoError(t, err)
	require.Len(t, found, 7)
	for _, d := range found {
		require.NotContains(t, d.String(), "hunter")
	}
	require.Contains(t, fmt.Sprint(found), "HostConfig.Memory: was 7, is 8")
}

// TestBuildKeepsEveryField sets every field that the Docker client has in Config and HostConfig, and expects each in the request, so that
// no field of a newer client is forgotten.
func TestBuildKeepsEveryField(t *testing.T) {
	c := container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{ID: strings.Repeat("a", 64), Image: "sha256:" + strings.Repeat("1", 64)},
		Config: &container.Config{}, NetworkSettings: &container.NetworkSettings{}}
	c.HostConfig = &container.HostConfig{}
	set(reflect.ValueOf(c.Config))
	set(reflect.ValueOf(c.HostConfig))
	c.HostConfig.NetworkMode, c.HostConfig.UTSMode = "app", "" // these make other fields impossible
	c.HostConfig.CPUPeriod, c.HostConfig.CPUQuota = 0, 0       // NanoCPUs is set
	c.HostConfig.Mounts[0].Type = "bind"                       // with options of every type, which Build ignores
	want := struct{ Config, HostConfig any }{c.Config, c.HostConfig}
	text := asJSON(t, want)

	s, err := Build(Input{Name: "new", Container: asJSON(t, c), Image: json.RawMessage(`{"Id":"` + c.Image + `","RepoTags":["x:latest"]}`), Engine: Engine{APIVersion: "1.51"}})

	require.NoError(t, err)
	require.JSONEq(t, string(text), string(asJSON(t, struct{ Config, HostConfig any }{s.Config, s.HostConfig})))
}

// set gives every field below a pointer a value.
func set(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		set(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			set(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		set(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			set(v.Index(i))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		set(key)
		set(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(3)
	default:
	}
}
