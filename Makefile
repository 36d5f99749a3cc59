# Short names for daily commands; each is one call of the tool that does it.
.PHONY: help lint unit host changed diff keys picture box locks tools
BASE ?= HEAD

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | expand -t 10
lint: ## linters, and every role rendered for each system and init
	./test/run static
unit: ## modules of Salt and of the application
	./test/run unit
host: ## converged hosts
	./test/run host
changed: ## the tests that the changes since BASE (HEAD) can break
	./test/run --changed $(BASE)
diff: tools ## what the changes since BASE (HEAD) do to the rendered highstates and files
	@test/.venv/bin/python test/diff.py $(BASE)
keys: tools ## write the tables of pillar keys in the READMEs
	test/.venv/bin/python test/keys.py
picture: tools ## draw docs/parts.svg
	test/.venv/bin/python test/picture.py
box: ## make Vagrant's box of Debian 13 in box/, from the Debian archive
	./test/vagrant/box
locks: tools ## write the locks; versions that still fit are kept
	./test/lock
tools: ## install the locked tools of the tests where they are missing
	@./test/tools
