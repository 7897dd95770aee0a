pytest_plugins = ["timeball.pytest_plugin", "pytester"]
