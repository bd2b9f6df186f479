package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"pascaline/dealer"
	"pascaline/offline"
	"pascaline/plugins"
	"pascaline/plugins/sdk"
)

// builtInBackends are the backends that this program is when it is run as
// "pascaline backend serve NAME".
var builtInBackends = map[string]sdk.Backend{
	"lattigo":  offline.Lattigo{},
	dealerName: dealer.Backend{},
}

const dealerName = "dealer"

// backendFlags say which backends make correlations, and where they are.
type backendFlags struct {
	names     []string
	sha256    string
	directory string
	dealer    string
	dealerKey string
	settings  map[string]string
}

func (f *backendFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(single(&f.names), "backend", "lattigo", "what makes correlations: lattigo, dealer, a plugin's name, or the path of one (the server must use the same)")
	f.addShared(cmd)
}

func (f *backendFlags) addMany(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.names, "backend", []string{"lattigo"}, "what may make correlations, if a client asks for it: lattigo, dealer, a plugin's name, or the path of one; repeat for more")
	f.addShared(cmd)
}

func addPluginsFlag(cmd *cobra.Command, directory *string) {
	standard, _ := plugins.DefaultPath() // without a home there is none
	cmd.Flags().StringVar(directory, "plugins", standard, "directory in which plugins are found by name")
}

// directory knows the built-in backends and those of a plugin directory.
func directory(path string) plugins.Directory {
	return plugins.Directory{Path: path, Builtin: slices.Sorted(maps.Keys(builtInBackends))}
}

// single returns where a flag of one value lies in a list of them.
func single(names *[]string) *string {
	*names = make([]string, 1)
	return &(*names)[0]
}

func (f *backendFlags) addShared(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.sha256, "backend-sha256", "", "run the plugin only if its file has this SHA-256")
	addPluginsFlag(cmd, &f.directory)
	flags.StringVar(&f.dealer, "dealer", "", "with --backend dealer, address of the dealer, HOST:PORT")
	flags.StringVar(&f.dealerKey, "dealer-key", "", "with --backend dealer, the dealer's public key, or a file that holds it")
	flags.StringToStringVar(&f.settings, "backend-set", nil, "a setting of the plugin's, NAME=VALUE; pascaline backend list shows which it has")
}

// one returns the backend of a command that uses one.
func (f *backendFlags) one(ctx context.Context, keyPath string, log *slog.Logger) (offline.Backend, func(), error) {
	list, stop, err := f.many(ctx, keyPath, log)
	if err != nil {
		return offline.Backend{}, nil, err
	}
	return list[0], stop, nil
}

// many returns all backends that are named. Stop ends their processes.
func (f *backendFlags) many(ctx context.Context, keyPath string, log *slog.Logger) (list []offline.Backend, stop func(), err error) {
	var running []*plugins.Plugin
	end := func() {
		for _, p := range running {
			p.Close()
		}
	}
	defer func() {
		if err != nil {
			end()
		}
	}()
	if f.sha256 != "" && len(f.names) > 1 {
		return nil, nil, errors.New("--backend-sha256 is of one plugin's file, and several backends are named")
	}
	for _, name := range f.names {
		p, err := f.find(name, plugins.Options{Log: log, Background: inBackground()})
		if err != nil {
			return nil, nil, fmt.Errorf("--backend: %w", err)
		}
		running = append(running, p)
		b, err := offline.NewBackend(ctx, p, nil)
		if err != nil {
			return nil, nil, fmt.Errorf("--backend %s: %w", name, err)
		}
		if err := unlike(b.Name, name, list); err != nil {
			return nil, nil, err
		}
		if b.Settings, err = f.settingsOf(name, keyPath); err != nil {
			return nil, nil, err
		}
		maps.DeleteFunc(b.Settings, func(setting, _ string) bool { return !has(b, setting) })
		list = append(list, b)
	}
	for setting := range f.settings {
		if !slices.ContainsFunc(list, func(b offline.Backend) bool { return b.Name != dealerName && has(b, setting) }) {
			return nil, nil, fmt.Errorf("--backend-set: no backend that is named has a setting %q; pascaline backend list shows which they have", setting)
		}
	}
	return list, end, nil
}

// has reports whether a backend has a setting.
func has(b offline.Backend, setting string) bool {
	_, ok := b.Description.Settings[setting]
	return ok
}

// unlike refuses a backend that calls itself what another is called: clients ask
// for backends by the names these have for themselves.
func unlike(itself, name string, others []offline.Backend) error {
	if _, builtIn := builtInBackends[itself]; builtIn && itself != name {
		return fmt.Errorf("--backend %s calls itself %q, which is the name of a built-in backend", name, itself)
	}
	if slices.ContainsFunc(others, func(b offline.Backend) bool { return b.Name == itself }) {
		return fmt.Errorf("--backend %s calls itself %q, and so does another that is named", name, itself)
	}
	return nil
}

// settingsOf returns what a backend is told. This party's key is for the built-in
// dealer alone.
func (f *backendFlags) settingsOf(name, keyPath string) (map[string]string, error) {
	if name != dealerName {
		if f.dealer+f.dealerKey != "" && !slices.Contains(f.names, dealerName) {
			return nil, errors.New("--dealer and --dealer-key go with --backend dealer")
		}
		return maps.Clone(f.settings), nil
	}
	if f.dealer == "" {
		return nil, errors.New("--backend dealer needs --dealer: the address of the dealer, HOST:PORT")
	}
	if err := checkAddress("dealer", f.dealer, false); err != nil {
		return nil, err
	}
	if f.dealerKey == "" {
		return nil, errors.New("--backend dealer needs --dealer-key: the dealer's public key, or a file that holds it")
	}
	key, err := readPublicKey("dealer-key", f.dealerKey)
	if err != nil {
		return nil, err
	}
	return map[string]string{"dealer": f.dealer, "dealer-key": key.String(), "key": keyPath}, nil
}

// find returns the plugin of a name or at a path.
func (f *backendFlags) find(name string, o plugins.Options) (*plugins.Plugin, error) {
	o.SHA256 = f.sha256
	return directory(f.directory).Find(name, o)
}

// priorityVariable says with "normal" that production is as important as anything
// else on the machine: where that is never idle, or has nothing else to do.
const priorityVariable = "PASCALINE_PRODUCTION"

// checkPriority refuses what priorityVariable does not say.
func checkPriority() error {
	if v := os.Getenv(priorityVariable); v != "" && v != "normal" {
		return fmt.Errorf("%s is %q; it takes normal, or nothing", priorityVariable, v)
	}
	return nil
}

// inBackground reports whether production takes only what the processors have left.
func inBackground() bool { return os.Getenv(priorityVariable) != "normal" }

// terminalLog is the log of commands that have none: what a plugin warns of goes
// to the terminal.
func terminalLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// dealerFlags writes the flags of a dealer again.
func (f *backendFlags) dealerFlags() (flags []string) {
	if f.dealer != "" {
		flags = append(flags, "--dealer", f.dealer)
	}
	if f.dealerKey != "" {
		flags = append(flags, "--dealer-key", f.dealerKey)
	}
	return flags
}

// means says how the backend makes correlations.
func (f *backendFlags) means() string {
	switch name := f.names[0]; name {
	case "lattigo":
		return "homomorphic encryption"
	case dealerName:
		return "a trusted dealer"
	default:
		return "backend " + name
	}
}
