// framing: images of Words words whatever the packets are, each begins a packet (Framing 2) or follows an image; words of right
// packets pass unchanged; an answer is marked broken exactly when its image's packet was not right; the source is never stuck.
module t #(parameter int Words = 2, Framing = 2) (input logic clk, rst_n, xv, xl, yr, done, input logic [1:0] x);
  logic xr, yv, yl, broken, error, first, busy;
  logic [1:0] y;
  framing #(.Bits(2), .Words(Words), .Framing(Framing), .InsideBits(2)) dut (
    .clk_i(clk), .rst_ni(rst_n), .x_valid_i(xv), .x_ready_o(xr), .x_data_i(x), .x_last_i(xl),
    .y_valid_o(yv), .y_ready_i(yr), .y_data_o(y), .y_last_o(yl), .done_i(done), .broken_o(broken), .error_o(error),
    .first_o(first), .busy_o(busy)
  );
  start s (.clk(clk), .rst_n(rst_n));
  logic put, get, holds, stalled, last_before, y_last_before;
  logic [1:0] x_before, y_before;
  logic [2:0] word;                    // of the image, as the network counts
  logic [2:0] given;                   // words of this packet's image that came, and no more than one beyond
  logic       resync;                  // this image's packet has already been found wrong
  logic [1:0] begun, complete, left;   // images, modulo 4: no more than 3 are inside
  (* anyconst *) logic [1:0] at;
  logic       wrong;                   // of image `at`
  logic [3:0] idle;
  assign put = xv && xr;
  assign get = yv && yr;
  always_comb begin
    if (holds) assume (xv && x == x_before && xl == last_before);
    if (done) assume (complete != left);  // an answer ends after its image has entered
  end
  always @(posedge clk) begin
    x_before <= x;
    last_before <= xl;
    y_before <= y;
    y_last_before <= yl;
    if (!rst_n) begin
      {word, given, resync, begun, complete, left, idle, holds, stalled, wrong} <= 0;
    end else begin
      holds   <= xv && !xr;
      stalled <= yv && !yr;
      if (stalled) assert (yv && y == y_before && yl == y_last_before);
      // the network sees whole images
      if (get) word <= word == Words - 1 ? 0 : word + 1;
      if (get && word == Words - 1) complete <= complete + 1;
      if (get && word == 0) begun <= begun + 1;
      assert (first == (get && word == 0));
      if (done) left <= left + 1;
      assert (busy == (begun != left));
      // what the packets are, and what must follow
      if (put) begin
        if (xl) begin
          given  <= 0;
          resync <= 0;
        end else if (Framing == 1) given <= given == Words - 1 ? 0 : given + 1;
        else given <= given == Words ? Words : given + 1;
      end
      if (put && get) begin
        assert (y == x);
        assert (word == given);        // word n of an image is word n of its packet
      end
      if (get && !put) assert (y == 0 && word != 0);               // only a broken image is filled up
      if (put && !get) assert (Framing == 2 && given == Words);    // only what is too long is dropped
      assert (error == (put && (Framing == 2 ? (xl ? given < Words - 1 : given == Words - 1) : xl && given != Words - 1)));
      if (get) assert (!yl || word == Words - 1);
      // the mark of image `at`
      if (get && word == 0 && begun == at) wrong <= error;
      else if (error && word != 0 && begun == 2'(at + 1)) wrong <= 1;
      if (done && left == at) assert (broken == wrong);
      // with a network that takes words and gives answers, the source waits no longer than Words cycles and those in which answers end
      idle <= put || !xv || !yr || (busy && !done) ? 0 : idle + 1;
      assert (idle < Words + 6);
    end
  end
endmodule
