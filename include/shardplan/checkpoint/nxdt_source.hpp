#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/nxdt_folder.hpp>
#include <shardplan/checkpoint/rank_layout.hpp>
#include <shardplan/checkpoint/source.hpp>

/// Tags of NxD and NxDT as sources, by the plan that they were written with (checkpoint sheet, 1 to 3 and 5).
namespace shardplan::checkpoint {

/// The weights in the rank files of a tag or a model folder. The plan must live as long.
class NxdtSource : public Source {
 public:
  /// Checks names, shapes and element types of all files against the plan before anything is read.
  ///
  /// form     what the public converter has written otherwise than the plan says
  /// Errors   those of open_tag and read_rank_file; SP-CHECKPOINT-010 files of other degrees than the plan's;
  ///          SP-CHECKPOINT-011 tensors that the plan does not put there, or not so: all such at once
  NxdtSource(const std::filesystem::path& path, const Plan& plan, const RankReading& reading = {},
             const ConverterForm& form = {})
      : path_(path), layout_(plan, form), tag_(open_tag(path, reading)) {
    check_degrees();
    Diagnostics findings;
    elements_.resize(size());
    const std::size_t parameters = plan.parameters().size();
    for (const RankFile& file : tag_.files) {
      contents_.push_back(std::make_unique<RankContents>(read_rank_file(tag_.model, file, reading.verify)));
      by_parameter_.emplace_back(parameters, nullptr);
      check(*contents_.back(), by_parameter_.back(), findings);
    }
    if (!findings.empty()) throw Error(std::move(findings));
    const KeyMap& keys = layout_.keys();
    for (std::size_t i = 0; i < parameters; ++i)
      for (const Placed& box : keys.boxes(i)) elements_[box.whole] = of_parameter_[i];
  }

  const TagFolder& tag() const { return tag_; }
  const RankLayout& layout() const { return layout_; }
  /// What file i of the tag holds.
  const RankContents& contents(std::size_t i) const { return *contents_[i]; }
  /// What file i holds of a parameter; null: nothing.
  const StoredTensor* tensor(std::size_t i, std::size_t parameter) const { return by_parameter_[i][parameter]; }

  const std::filesystem::path& path() const override { return path_; }
  std::size_t size() const override { return layout_.keys().wholes().size(); }
  std::size_t find(std::string_view name) const override { return layout_.keys().find(name); }
  const WholeTensor& whole(std::size_t i) const override { return layout_.keys().wholes()[i]; }
  Element element(std::size_t i) const override { return elements_[i]; }
  void locate(std::size_t i, const Box& box, const Sink& sink) const override {
    layout_.for_each_holder(i, box, [&](const RankFile& file, const Placed& placed) {
      sink({placed.box, by_parameter_[number(file)][whole(i).parameter], placed.at, placed.dimensions});
    });
  }

 private:
  std::size_t number(const RankFile& file) const {
    const RankDegrees& d = tag_.degrees;
    return static_cast<std::size_t>((file.pipeline * d.tensor + file.tensor) * d.expert + file.expert.value_or(0));
  }

  void check_degrees() const {
    const RankDegrees &has = tag_.degrees, &planned = layout_.degrees();
    if (has == planned) return;
    const auto text = [](const RankDegrees& d) {
      return concat("tensor size ", d.tensor, ", pipeline size ", d.pipeline, ", expert size ", d.expert,
                    d.data > 1 ? concat(", data size ", d.data) : std::string());
    };
    fail("SP-CHECKPOINT-010",
         concat('\'', tag_.model.string(), "' holds the files of ", text(has), "; the plan is of ", text(planned)),
         "the configuration that the files were written with", {"from-plan"});
  }

  /// Finds what each parameter has in a file. A rank that is no first expert rank may lack what is no expert's: the
  /// public converter writes that once.
  void check(const RankContents& file, std::vector<const StoredTensor*>& found, Diagnostics& findings) {
    const std::vector<RankTensor> expected = layout_.tensors(file.file);
    const auto name_at = [&](std::size_t i) -> std::string_view { return file.tensors[i].first; };
    const NameIndex names(file.tensors.size(), name_at);
    std::vector<bool> wanted(file.tensors.size(), false);
    Count missing, unexpected, shapes, types;
    for (const RankTensor& tensor : expected) {
      const Parameter& p = layout_.plan().parameters()[tensor.parameter];
      const auto at = names.find(tensor.key, name_at);
      if (!at) {
        const bool tied_copy = found[tensor.parameter] != nullptr;
        if (!tied_copy && (p.sharding.expert || file.file.expert.value_or(0) == 0)) missing.add(shown(tensor.key));
        continue;
      }
      wanted[*at] = true;
      const StoredTensor& stored = file.tensors[*at].second;
      const Shape local = layout_.local_shape(tensor.parameter, file.file);
      if (stored.shape != local)
        shapes.add(concat(shown(tensor.key), " of shape ", stored.shape, " where the plan has ", local));
      if (of_parameter_.empty()) {
        of_parameter_.resize(layout_.plan().parameters().size());
        typed_.assign(of_parameter_.size(), false);
      }
      if (!typed_[tensor.parameter]) {
        typed_[tensor.parameter] = true;
        of_parameter_[tensor.parameter] = stored.element;
      } else if (of_parameter_[tensor.parameter] != stored.element) {
        types.add(concat(shown(tensor.key), " of ", checkpoint::name(stored.element), " where other ranks have ",
                         checkpoint::name(of_parameter_[tensor.parameter])));
      }
      if (!found[tensor.parameter]) found[tensor.parameter] = &stored;
    }
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (!wanted[i] && !is_derived(file.tensors[i].first)) unexpected.add(shown(file.tensors[i].first));
    const auto report = [&](const Count& count, std::string_view what) {
      if (count.number == 0) return;
      findings.push_back(finding("SP-CHECKPOINT-011",
                                 concat('\'', file.path, "' ", what, ' ', count.first,
                                        count.number > 1 ? concat(" and ", count.number - 1, " more") : std::string()),
                                 "the configuration that the files were written with", {"from-plan"}));
    };
    report(missing, "lacks");
    report(unexpected, "holds, and the plan does not,");
    report(shapes, "holds");
    report(types, "holds");
  }
  struct Count {
    std::size_t number = 0;
    std::string first;
    void add(std::string text) {
      if (number++ == 0) first = std::move(text);
    }
  };

  std::filesystem::path path_;
  RankLayout layout_;
  TagFolder tag_;
  std::vector<std::unique_ptr<RankContents>> contents_;
  std::vector<std::vector<const StoredTensor*>> by_parameter_;  ///< by file, then parameter
  std::vector<Element> of_parameter_, elements_;                ///< by parameter, by whole tensor
  std::vector<bool> typed_;
};

}  // namespace shardplan::checkpoint
