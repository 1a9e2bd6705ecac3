// A user of the component `config`, which brings yaml-cpp along.
#include <cstdio>

#include <shardplan/config/yaml.hpp>

int main() try {
  shardplan::load_config("no such file.yaml");
  return 1;
} catch (const shardplan::Error& error) {
  std::puts(error.what());
  return 0;
}
