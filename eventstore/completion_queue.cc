#include "eventstore/completion_queue.h"

#include <iterator>
#include <utility>

namespace records::eventstore {

CompletionQueue::~CompletionQueue() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
  }
  if (thread_.joinable()) thread_.join();
  while (RunWaiting() > 0) {
  }
}

void CompletionQueue::Push(Task task) {
  absl::MutexLock lock(&mutex_);
  tasks_.push_back(std::move(task));
}

void CompletionQueue::Push(std::vector<Task> tasks) {
  if (tasks.empty()) return;
  absl::MutexLock lock(&mutex_);
  std::move(tasks.begin(), tasks.end(), std::back_inserter(tasks_));
}

size_t CompletionQueue::RunWaiting() {
  std::vector<Task> tasks;
  {
    absl::MutexLock lock(&mutex_);
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) task();
  return tasks.size();
}

void CompletionQueue::Run() {
  while (true) {
    std::vector<Task> tasks;
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return closing_ || !tasks_.empty();
      };
      mutex_.Await(absl::Condition(&ready));
      if (tasks_.empty()) return;
      tasks.swap(tasks_);
    }
    for (Task& task : tasks) task();
  }
}

}  // namespace records::eventstore
