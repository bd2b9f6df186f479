// Command backend-file is a backend of pascaline that deals correlations from a
// seed in a file, which both parties have. It shows how a backend is written
// against plugins/sdk alone, and makes every kind, fast; and it protects nothing:
// whoever can read the file, and that is both parties, can compute what the other
// one holds, and from it the weights and the inputs.
//
//	go build -o backend-file ./examples/backend-file
//	pascaline demo --backend ./backend-file
//
// On two machines the file must be copied from one to the other by hand: it is
// beside the executable, with ".seed" after its name, or where the setting "seed"
// says.
package main

import "pascaline/plugins/sdk"

func main() {
	sdk.Log.Warn("this backend is a toy: it deals from a seed in a file that both parties have, so neither has secrets from the other")
	sdk.Serve(backend{})
}
