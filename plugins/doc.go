// Package plugins runs backends that are programs of their own: [Plugin] is a
// correlation.Backend that starts an executable, asks it over gRPC, and restarts
// it when it has died. What a plugin says is taken for anybody's: everything is
// checked against what was asked before memory is taken for it, and a plugin that
// lies, hangs, floods or dies is an error of the run. It is no sandbox: a plugin
// runs with the rights of the user who starts pascaline, so [Options].SHA256 says
// which file may run at all.
//
// The process is made by hashicorp/go-plugin: a cookie and a version are
// exchanged, and both sides authenticate each other by certificates made for this
// one process. No plugin outlives its host, however the host ends: its standard
// input is a pipe that ends with the host, and on Linux the kernel kills it.
//
// # What a plugin gets
//
// A plugin gets these variables of the host's environment, and no other, since
// secrets live there too (the key of a store): PATH, HOME, USER, LOGNAME, LANG,
// LC_ALL, LC_CTYPE, TZ, TMPDIR, XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_CACHE_HOME,
// GOMAXPROCS, GOMEMLIMIT, GODEBUG, GOGC, GOTRACEBACK, GOCOVERDIR and on Windows
// SYSTEMROOT, TEMP, TMP and USERPROFILE; [Options].Env, and go-plugin's own. It
// gets the host's working directory, a pipe for its standard input, a file in
// memory through which messages between the twins pass, and no open file beside.
// Settings reach it with each run.
//
// # Where plugins are
//
// [Directory] finds a backend by name: one that is built into this executable,
// which is then started once more, or a file of the plugin directory. plugins/sdk
// is for authors of plugins.
package plugins
